"""What a project declares in its folders `recipes/`, `suites/` and `reports/`, and what its command line adds.

declared       files -> values; an error names file and line
project        the declarations of one session: recipes, suites, subjects, seeds
references     base and untrained, which need no declaration
starting/      a project's first files
command_line   subjects and suites without a file of their own: --model, --tasks
"""

from harness.project.declared import find_root
from harness.project.project import Project, open_project
from harness.project.references import REFERENCES

__all__ = ["REFERENCES", "Project", "find_root", "open_project"]
