"""The commands of `harness data` on whole files: chunk, mix, split, check. Sessions do not use them."""
