"""Log-likelihood requests drawn at random, with much in common."""

from hypothesis import strategies as st

from harness.models.prefixes.trie import Request

tokens = st.integers(0, 5)
some_requests = st.lists(
    st.builds(
        lambda context, target: Request("r", context, target),
        st.lists(tokens, min_size=1, max_size=30),
        st.lists(tokens, min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=12,
)
