"""The parts of `benchmarks/gpu.py`.

checks     what was found, what is allowed, as a table and as JSON
asked      what SmolLM2 is asked and trained on, and what a CPU found (cpu.json)
numbers    kernels, log-likelihoods, answers
training   losses, a kill, memory of the published sizes, energy
warm       one worker's models in turn, memory that runs out, a failed assertion, whole sessions
speed      beside lm-evaluation-harness and TRL
"""
