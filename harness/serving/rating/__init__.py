"""`harness rate`: a page on this machine on which people say which of two answers is better, not knowing whose they are.

showings  what each rater is shown, in which order, on which side
desk      raters and their ratings: joined, shown, kept
app       the server: a token, one page, three requests
page      the page itself
elsewhere tasks for Label Studio and Argilla, and the ratings that come back
summary   what ratings come to
run       from stored answers to all of these
"""
