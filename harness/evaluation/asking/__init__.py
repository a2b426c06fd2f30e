"""All that decides answers, on the session's side: samples as questions, and answers that no model is asked for."""
