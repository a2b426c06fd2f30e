"""Asks -> answers, on one loaded model.

asks            a suite's asks, one after the other
resident        the model that is kept loaded
engine          completions and log-likelihoods
prompts         questions -> token ids
likelihood      requests -> log-likelihoods, in batches; tree: shared prefixes computed once
generation      prompts -> completions; slots: the cache they grow in; replay: their steps as CUDA graphs
onednn          faster linear layers on a CPU
probe           is the model fit to be served?
parity          do copies of the model answer as it does?
lm_eval_tasks   tasks of lm-evaluation-harness; lm: the engine as one of its models
"""
