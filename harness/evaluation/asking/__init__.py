"""What decides answers on the session's side: samples as questions, and the answers that need no model."""
