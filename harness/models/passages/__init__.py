"""Questions with the passages that were found for them in front: how models and servers are asked by what looks things up."""
