-- The warehouse: one row per result. Built from the store by `harness results rebuild`;
-- nothing here is the only copy of anything.

CREATE TABLE warehouse (
    version INTEGER NOT NULL  -- of this schema; a newer file is refused, never guessed at
);

CREATE TABLE runs (
    run_id     VARCHAR PRIMARY KEY,  -- UTC start time and a random suffix, sorts by time
    started_at TIMESTAMP NOT NULL,   -- UTC
    project    VARCHAR,              -- whose it is; NULL in sessions that did not say so
    seconds    DOUBLE,               -- wall-clock seconds of the whole session
    command    VARCHAR,              -- the pytest command line as typed
    scale      VARCHAR,              -- mini, small or full
    devices    VARCHAR,              -- 'cpu' or 'cuda:0,cuda:1'
    commit_id  VARCHAR,              -- git commit of the project, '+' appended when it had changes
    trained    INTEGER,              -- checkpoints trained in this session
    evaluated  INTEGER,              -- evaluations measured in this session
    sample_limit INTEGER,            -- samples of each suite at most (--limit), NULL for whole suites
    interrupted BOOLEAN,             -- whether it was ended before all that was asked had been done
    exact      BOOLEAN,              -- whether it measured in float32 and in fixed batches (--exact)
    better     JSON,                 -- suite -> metric -> 'higher' or 'lower', as the suites declared it
    environment JSON                 -- library versions, python, processor, threads
);

CREATE TABLE checkpoints (
    fingerprint VARCHAR PRIMARY KEY, -- SHA-256 over everything that can change the weights
    stage       VARCHAR,             -- 'pretrain', 'finetune', or 'base' for weights used as they are
    parent      VARCHAR,             -- fingerprint of the stage before, NULL for the first
    spec        JSON,                -- all that the fingerprint was computed from
    trainable_parameters BIGINT,     -- weights that were trained
    total_parameters     BIGINT,     -- weights of the whole model
    training_rows   INTEGER,         -- rows (fine-tuning) or blocks (pretraining) in one epoch
    truncated_rows  INTEGER,         -- rows cut at max_length: counted, never silent
    rows_by_source  JSON,            -- dataset -> rows trained on
    optimizer_steps INTEGER,         -- steps over all epochs
    tokens          BIGINT,          -- tokens seen in training, padding excluded
    train_seconds   DOUBLE,          -- wall-clock seconds in the training loop, resumed parts included
    peak_memory_bytes BIGINT,        -- of the device (CUDA) or the process (CPU)
    energy_joules   DOUBLE,          -- of the GPU, or of the processor's package; NULL where no counter can be read
    why             VARCHAR,         -- why it was trained: how it differed from the nearest checkpoint there was
    device          VARCHAR,         -- where it was trained
    environment     JSON,            -- library versions, python, processor, threads
    created_at      TIMESTAMP        -- UTC, when it was published to the store
);

CREATE TABLE subjects (
    run_id      VARCHAR NOT NULL,    -- the session that used it
    subject     VARCHAR NOT NULL,    -- recipe-variant, e.g. 'wiki_only-mini'
    recipe      VARCHAR NOT NULL,    -- e.g. 'wiki_only'
    variant     VARCHAR NOT NULL,    -- e.g. 'mini', '3b'
    seed        INTEGER NOT NULL,    -- training seed
    hypothesis  VARCHAR,             -- the recipe file's docstring
    settings    JSON,                -- the stages as declared, in order, for people to read
    fingerprint VARCHAR NOT NULL,    -- its last checkpoint, or the key of how it looks things up
    claims      INTEGER,             -- that it makes, guards against the session's baseline among them
    weights     VARCHAR,             -- of what looks things up, the checkpoint that it asks; else NULL
    PRIMARY KEY (run_id, subject)
);

CREATE TABLE measured (
    run_id     VARCHAR NOT NULL,     -- the session that asked
    subject    VARCHAR NOT NULL,     -- for what
    suite      VARCHAR NOT NULL,     -- e.g. 'tone'
    evaluation VARCHAR NOT NULL,     -- what it got, measured then or long before
    PRIMARY KEY (run_id, subject, suite)
);

CREATE TABLE baselines (
    name       VARCHAR NOT NULL,     -- as given to `harness baseline set`
    subject    VARCHAR NOT NULL,     -- whose evaluation it is
    suite      VARCHAR NOT NULL,     -- e.g. 'tone'
    evaluation VARCHAR NOT NULL,     -- what `--baseline` compares with
    commit_id  VARCHAR,              -- git commit of the project, '+' appended when it had changes
    set_at     TIMESTAMP NOT NULL,   -- UTC
    PRIMARY KEY (name, subject, suite)
);

CREATE TABLE ratings (
    comparison  VARCHAR NOT NULL,    -- names what was rated: suite, evaluations, pairs or a scale
    suite       VARCHAR NOT NULL,    -- e.g. 'tone'
    first       VARCHAR NOT NULL,    -- the subject named first
    second      VARCHAR,             -- the other; NULL where single answers were rated
    first_answers VARCHAR NOT NULL,  -- the key of the answers that were shown, as in the spec of evaluations
    second_answers VARCHAR,          -- and the other's
    points      INTEGER,             -- of the scale; NULL of pairs
    rater       VARCHAR NOT NULL,    -- the name that was given
    sample_id   VARCHAR NOT NULL,    -- the prompt
    showing     INTEGER NOT NULL,    -- 1 where the rater had rated it before
    value       VARCHAR NOT NULL,    -- 'first', 'second', 'same' or 'bad'; points on a scale
    number      DOUBLE NOT NULL,     -- 1 for the first, -1 for the second, 0 for neither; points on a scale
    on_left     VARCHAR NOT NULL,    -- the subject whose answer stood on the left
    note        VARCHAR,             -- what the rater wrote
    seconds     DOUBLE,              -- that it was shown
    rated_at    TIMESTAMP NOT NULL,  -- UTC
    PRIMARY KEY (comparison, rater, sample_id, showing)
);

CREATE TABLE training_log (
    fingerprint VARCHAR NOT NULL,    -- the checkpoint
    step        INTEGER NOT NULL,    -- optimizer step, 0 before the first
    loss        DOUBLE,              -- mean training loss per target token, nats
    eval_loss   DOUBLE,              -- the same on held-out rows, where measured at this step
    learning_rate DOUBLE,            -- after this step
    grad_norm   DOUBLE,              -- before clipping
    tokens      BIGINT               -- seen so far, padding excluded
);

CREATE TABLE evaluations (
    evaluation  VARCHAR PRIMARY KEY, -- SHA-256 over checkpoint, suite data, prompts, scorer, decoding, engine
    fingerprint VARCHAR NOT NULL,    -- the checkpoint measured
    subject     VARCHAR,             -- the subject it was first measured for
    suite       VARCHAR NOT NULL,    -- e.g. 'tone'
    scale       VARCHAR,             -- of the suite's data
    system_prompt VARCHAR,           -- NULL for none
    spec        JSON,                -- all that the key was computed from
    prompt_digest VARCHAR,           -- SHA-256 of the rendered token ids: a change under an unchanged suite is drift
    samples     INTEGER,             -- samples scored
    samples_available INTEGER,       -- samples of the suite: more than were scored under --limit, or where --adaptive stopped early
    sample_limit INTEGER,            -- samples at most (--limit), NULL for the whole suite
    seconds     DOUBLE,              -- wall-clock seconds in the model worker
    tokens      BIGINT,              -- tokens scored and generated
    peak_memory_bytes BIGINT,        -- of the device (CUDA) or the process (CPU)
    energy_joules DOUBLE,            -- of the GPU, or of the processor's package; NULL where no counter can be read
    device      VARCHAR,             -- where it was measured
    dtype       VARCHAR,             -- in which the model computed: 'float32', 'bfloat16'; NULL where a server did, or none
    environment JSON,                -- library versions, python, processor, threads
    created_at  TIMESTAMP            -- UTC
);

CREATE TABLE samples (
    evaluation VARCHAR NOT NULL,     -- the evaluation
    position   BIGINT,               -- place in the suite's order, 0 first
    sample_id  VARCHAR NOT NULL,     -- unique within the evaluation, equal across subjects of one suite
    cluster    VARCHAR,              -- samples that belong together, NULL where each stands alone
    prompt     VARCHAR,              -- as asked, before the chat template
    target     VARCHAR,              -- the reference answer, or NULL
    completion VARCHAR,              -- what the model answered (the chosen option of a multiple choice)
    scores     JSON,                 -- metric -> this sample's score
    target_json JSON,                -- the target as the scorer got it: text, number, list, ...
    rendered_prompt VARCHAR,         -- as the model was asked: in its chat template, with the system prompt
    prompt_tokens INTEGER,           -- tokens of that
    completion_tokens INTEGER,       -- tokens of the completion, without the one that ended it
    finish_reason VARCHAR,           -- 'end', 'stop' (a stop string), or 'length': cut at max_new_tokens
    passages   JSON,                 -- those put before the question: id, and whether it is right
    found      BOOLEAN               -- whether a right one is among them; NULL where there is none to find
);

CREATE TABLE metrics (
    evaluation VARCHAR NOT NULL,     -- the evaluation
    metric     VARCHAR NOT NULL,     -- e.g. 'acc_norm'
    estimate   DOUBLE,               -- in the metric's own unit
    low        DOUBLE,               -- interval, 95 %
    high       DOUBLE,               -- its upper end
    n          INTEGER,              -- samples behind it
    method     VARCHAR,              -- how the interval was computed
    PRIMARY KEY (evaluation, metric)
);

CREATE TABLE floors (
    suite  VARCHAR NOT NULL,         -- e.g. 'openbookqa'
    scale  VARCHAR NOT NULL,         -- of the suite's data
    metric VARCHAR NOT NULL,         -- the metric the floor belongs to
    floor  VARCHAR NOT NULL,         -- 'chance', 'longest_answer', 'first_answer'
    value  DOUBLE NOT NULL,          -- what an answer without knowledge scores
    PRIMARY KEY (suite, scale, metric, floor)
);

CREATE TABLE gates (
    run_id    VARCHAR NOT NULL,      -- the session that judged it
    gate      VARCHAR NOT NULL,      -- e.g. 'wiki_only-mini-tone-conversational'
    subject   VARCHAR NOT NULL,      -- the side that makes the claim
    reference VARCHAR,               -- the other subject, the floor, 'baseline NAME', or NULL for a fixed threshold
    suite     VARCHAR NOT NULL,      -- the suite that measured both
    metric    VARCHAR NOT NULL,      -- what the claim is about
    kind      VARCHAR,               -- 'claim', 'target' or 'regression'
    claim     VARCHAR NOT NULL,      -- in words: 'less conversational than with_kilt'
    verdict   VARCHAR NOT NULL,      -- pass, fail, inconclusive or skipped
    line      VARCHAR,               -- the question of `harness ship` that it answers: learnt, better, kept, ...
    candidate DOUBLE,                -- the subject's own estimate
    baseline  DOUBLE,                -- the reference's estimate or the threshold
    estimate  DOUBLE,                -- candidate - baseline, paired by sample where both answered
    low       DOUBLE,                -- interval of the difference
    high      DOUBLE,                -- its upper end
    threshold DOUBLE,                -- what the difference is judged against: 0, or a margin on one side of it
    level     DOUBLE,                -- of the interval, e.g. 0.95
    p_value   DOUBLE,                -- raw
    p_adjusted DOUBLE,               -- Holm over the claims of the recipe
    family    INTEGER,               -- claims adjusted for together
    n         INTEGER,               -- paired samples
    samples_needed INTEGER,          -- that would decide an inconclusive one, NULL otherwise
    method    VARCHAR,               -- the test
    loudest   JSON,                  -- samples that speak most for the verdict: [{sample_id, candidate, baseline}]
    message   VARCHAR,               -- the paragraph a stranger reads
    PRIMARY KEY (run_id, gate)
);

CREATE TABLE sweeps (
    run_id      VARCHAR NOT NULL,    -- the session that compared the settings
    sweep       VARCHAR NOT NULL,    -- e.g. 'software_defect_sweep'
    size        VARCHAR NOT NULL,    -- the variant of the recipe that was swept, e.g. 'mini'
    place       INTEGER,             -- of the setting in the order declared, 0 first
    subject     VARCHAR NOT NULL,    -- with several training seeds the first
    setting     VARCHAR NOT NULL,    -- in words: 'rank 8, learning_rate 0.001'
    axes        JSON,                -- the same by name
    chosen_by   VARCHAR NOT NULL,    -- suite and metric: 'training held_out_loss_change'
    judged_by   VARCHAR NOT NULL,    -- suite and metric
    own         BOOLEAN NOT NULL,    -- whether it is what the recipe declares
    winner      BOOLEAN NOT NULL,    -- whether it is chosen
    seeds       INTEGER NOT NULL,    -- trainings of each setting
    choosing    DOUBLE,              -- what it scored by chosen_by, over all seeds; NULL where it is not measured
    score       DOUBLE,              -- and by judged_by
    low         DOUBLE,              -- interval of that, 95 %
    high        DOUBLE,              -- its upper end
    n           INTEGER,             -- samples behind it
    base        VARCHAR,             -- the model that it was trained from
    over_base   DOUBLE,              -- score less the base's, paired by sample
    over_base_low DOUBLE,            -- interval of that, 95 %
    over_base_high DOUBLE,           -- its upper end
    declared    VARCHAR,             -- the recipe as declared
    over_declared DOUBLE,            -- score less that one's, paired by sample
    over_declared_low DOUBLE,        -- interval of that, 95 %
    over_declared_high DOUBLE,       -- its upper end
    p_value     DOUBLE,              -- of over_declared, raw
    p_adjusted  DOUBLE,              -- Holm over the settings of the sweep
    against_declared VARCHAR,        -- higher, lower or inconclusive
    unfinished  VARCHAR,             -- why its training was left unfinished: stopped early, or diverged; NULL where it was not
    optimism    DOUBLE,              -- how much better the best of equal settings would look than it is, had it been picked by judged_by
    conclusion  VARCHAR,             -- of the whole sweep, in words
    PRIMARY KEY (run_id, subject)
);

CREATE TABLE curricula (
    run_id      VARCHAR NOT NULL,    -- the session that compared the lessons
    curriculum  VARCHAR NOT NULL,    -- e.g. 'continual'
    size        VARCHAR NOT NULL,    -- the variant of its recipes, e.g. 'mini'
    place       INTEGER NOT NULL,    -- of the lesson taught last, 0 first
    lesson_place INTEGER NOT NULL,   -- of the lesson that is measured
    subject     VARCHAR NOT NULL,    -- the weights after the lesson taught last
    lesson      VARCHAR NOT NULL,    -- the recipe whose metric it is
    metric      VARCHAR NOT NULL,    -- suite and metric
    score       DOUBLE,              -- over all seeds; NULL where it is not measured
    low         DOUBLE,              -- interval of that, 95 %
    high        DOUBLE,              -- its upper end
    since_taught DOUBLE,             -- change since the lesson was taught, above zero for better; NULL for later lessons
    since_taught_low DOUBLE,         -- interval of that, 95 %
    since_taught_high DOUBLE,        -- its upper end
    conclusion  VARCHAR,             -- of the whole curriculum, in words
    PRIMARY KEY (run_id, curriculum, size, place, lesson_place)
);

-- The newest evaluation of every subject and suite, of whole suites only.
CREATE VIEW latest AS
SELECT s.subject, s.recipe, s.variant, s.seed, e.*  EXCLUDE (subject)
FROM (
    SELECT DISTINCT ON (subject) subject, recipe, variant, seed, fingerprint
    FROM subjects ORDER BY subject, run_id DESC
) s
JOIN evaluations e USING (fingerprint)
WHERE e.sample_limit IS NULL
QUALIFY row_number() OVER (PARTITION BY s.subject, e.suite, e.scale ORDER BY e.created_at DESC) = 1;

-- Every metric of every latest evaluation, within a metric the highest first: which is best depends on the metric.
CREATE VIEW leaderboard AS
SELECT l.suite, m.metric, l.subject, m.estimate, m.low, m.high, m.n, m.method, l.evaluation, l.fingerprint
FROM latest l JOIN metrics m USING (evaluation)
ORDER BY l.suite, m.metric, m.estimate DESC;

-- What was asked and answered, one row for each sample of every latest evaluation.
CREATE VIEW answers AS
SELECT l.subject, l.suite, x.position, x.sample_id AS sample, x.prompt, x.rendered_prompt, x.target, x.target_json,
       x.completion, x.scores, x.finish_reason, x.prompt_tokens, x.completion_tokens, x.cluster, x.passages, x.found, l.evaluation
FROM latest l JOIN samples x USING (evaluation)
ORDER BY l.subject, l.suite, x.position;

-- The same sample answered by two subjects.
CREATE VIEW paired_samples AS
SELECT a.suite, x.sample_id, x.cluster, x.prompt, x.target,
       a.subject AS candidate, b.subject AS baseline,
       x.completion AS candidate_completion, y.completion AS baseline_completion,
       x.scores AS candidate_scores, y.scores AS baseline_scores
FROM latest a
JOIN latest b ON a.suite = b.suite AND a.scale = b.scale AND a.subject <> b.subject
JOIN samples x ON x.evaluation = a.evaluation
JOIN samples y ON y.evaluation = b.evaluation AND y.sample_id = x.sample_id;
