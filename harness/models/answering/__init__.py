"""Asks -> answers, on one loaded model.

asks         a suite's asks, one after the other        lm_eval_tasks, lm   asks of lm-evaluation-harness
engine       completions and log-likelihoods            prompts             questions -> token ids
likelihood   requests, batched;  trie, tree             shared prefixes computed once
generation   sequences in slots of a cache              onednn              faster linear layers on a CPU
probe        fit to be served?    parity  do copies agree?    resident      the model kept warm
"""
