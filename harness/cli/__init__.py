"""The `harness` command, thin: each command opens what it needs, calls one room, prints a table or JSON.

main     the commands together        shared   options and tables that several commands have
begin    init, new, add
plans    plan, why, status, tone      results  compare, gate, rescore, report, results, baseline
store    store ls, verify, prune      models   chat, export, serve
data     data stackexchange, arxiv, chunks, mix, split, check        written  data generate, paraphrase
ship, sweeps, curricula, history, rate     the commands of these names
"""

from harness.cli.main import main

__all__ = ["main"]
