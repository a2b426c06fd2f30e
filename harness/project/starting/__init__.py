"""A project's first files, and further ones: what `harness init`, `new` and `add` write.

begin     a whole project, or one more recipe or suite, from templates/
shipped   the suites that come with the harness, each as one file that needs no other
"""
