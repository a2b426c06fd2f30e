"""One suite's asks -> its answers, and the record of how they were made."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from harness.environment import environment
from harness.models.answering.engine import Engine
from harness.models.answering.lm_eval_tasks import run_own_task, run_task
from harness.models.answering.parity import compare_copies
from harness.models.answering.probe import probe
from harness.models.answering.resident import Resident
from harness.models.passages.noted import number_of_passages, told, with_passages
from harness.models.tools.energy import EnergyMeter
from harness.models.tools.memory import give_back_memory, peak_memory_bytes
from harness.models.tools.progress import SuiteProgress
from harness.suite import Answer, Ask, Choices, Generate, LmEval, LmEvalTask, Parity, Perplexity, Probe
from harness.worker.failures import says_out_of_memory
from harness.worker.messages import Answers, AnswersRecord, AskedSuite, MeasureRequest, Question, read_questions


def _note_unfit(questions: Sequence[Question], answers: Sequence[Answer], dtype: str) -> None:
    """Answer the questions about the model in that dtype: it does not fit, and nothing is known of it."""
    for question, answer in zip(questions, answers, strict=True):
        if question.copy == dtype:
            answer.update(fits=False)


def digest_of(digests: Sequence[str]) -> str:
    """One digest of what several asks were asked."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


class SuiteWorker:
    """Answers the suites of one request with one model, which is loaded in one dtype at a time."""

    def __init__(self, folder: Path, request: MeasureRequest, resident: Resident) -> None:
        self.folder, self.request, self.resident = folder, request, resident
        torch.set_num_threads(request.threads)  # on which the rounding of a matrix product depends

    def engine(self, dtype: str) -> Engine:
        """The model in that dtype. Only one is loaded, since two may not fit into memory."""
        engine = self.resident.engine(self.request.model, self.request.device, dtype)
        if engine.scorer.fixed != self.request.fixed_batches:  # else what running out of memory taught is forgotten
            engine.size_batches(self.request.fixed_batches)
        return engine

    def _engine_that_fits(self, dtype: str, others: set[str]) -> Engine | None:
        """The model in that dtype. None where it does not fit the device's memory, and others are to be asked too."""
        try:
            return self.engine(dtype)
        except (RuntimeError, MemoryError) as error:
            if not says_out_of_memory(error) or dtype == self.request.dtype or not others:
                raise
        give_back_memory(torch.device(self.request.device))  # now that the error holds no tensors any more
        return None

    def answer(self, suite: AskedSuite) -> Answers:
        """All answers to one suite, and their record."""
        started, meter = time.perf_counter(), EnergyMeter(self.request.device)
        questions = self._questions(suite)
        answers: list[Answer] = [told(question) for question in questions]
        samples: list[Answer] = []  # those that a task of lm-eval brings; else empty
        digests, tokens, how = [], 0, ""
        documents: int | None = None  # of such a task
        left_out: list[str] = []  # dtypes that do not fit
        parts = [(ask, dtype) for ask in suite.asks for dtype in self._dtypes(ask)]
        progress = SuiteProgress(self.folder, suite.name, len(questions), len(parts))
        for ask, dtype in parts:
            progress.next_part()
            engine = self._engine_that_fits(dtype, others={other for _, other in parts} - {*left_out, dtype})
            if engine is None:
                left_out.append(dtype)
                _note_unfit(questions, answers, dtype)
                continue
            engine.watch(progress)
            before, engine.rendered = engine.tokens, hashlib.sha256()
            if isinstance(ask, LmEvalTask):
                samples, answers, documents = run_own_task(engine, ask, suite.limit)
            else:
                for answer, more in zip(answers, self._one_ask(engine, ask, suite, questions), strict=True):
                    answer.update(more)
            tokens += engine.tokens - before
            how, prompts = how or engine.how, engine.prompts
            digests.append(engine.rendered.hexdigest())
        record = AnswersRecord(
            seconds=round(time.perf_counter() - started, 3),
            tokens=tokens,
            prompt_digest=digests[0] if len(set(digests)) == 1 else digest_of(digests),
            tokenizer=prompts.tokenizer_digest,
            chat_template=prompts.template_digest,
            engine=how,
            peak_memory_bytes=peak_memory_bytes(self.request.device),
            energy_joules=meter.joules(),
            device=self.request.device,
            dtype=self.request.dtype,
            environment=dict(environment(self.request.threads)),
            left_out=left_out,
            documents=documents,
            passages=number_of_passages(questions),
        )
        return Answers(answers, record, samples)

    def _questions(self, suite: AskedSuite) -> list[Question]:
        """What the suite asks, with passages in front where any are looked up."""
        questions = read_questions(self.folder / f"{suite.key}.questions.jsonl")
        return with_passages(suite, questions, lambda question: self._excess(question, suite))

    def _excess(self, question: Question, suite: AskedSuite) -> int:
        """By how many tokens the question with its longest answer exceeds the model's context."""
        engine = self.engine(self.request.dtype)
        rendered = engine.prompts.render(question.asked, suite.system_prompt)
        [ids] = engine.prompts.ids([rendered])
        texts = [question.target, *question.choices]
        answers = [len(own) for own in engine.prompts.answer_ids([rendered] * len(texts), texts)]
        # Nothing is computed on the last token of an answer that is scored.
        new = [ask.max_new_tokens if isinstance(ask, Generate) else max(answers) - 1 for ask in suite.asks]
        return len(ids) + max(new) - engine.context_length

    def _dtypes(self, ask: Ask) -> tuple[str, ...]:
        """The dtypes that an ask is answered in, one after the other."""
        return ask.dtypes if isinstance(ask, Probe) else (self.request.dtype,)

    def _one_ask(self, engine: Engine, ask: Ask, suite: AskedSuite, questions: Sequence[Question]) -> list[Answer]:
        """Per question the answer to one ask. A probe asks in one dtype: {} for questions in another."""
        if isinstance(ask, LmEval):
            return run_task(engine, ask, [question.row or {} for question in questions], self.folder)
        concerned = [not isinstance(ask, Probe) or question.copy == engine.dtype for question in questions]
        asked = [question for question, is_concerned in zip(questions, concerned, strict=True) if is_concerned]
        answers = iter(self._answers(engine, ask, asked, suite.system_prompt))
        return [next(answers) if is_concerned else {} for is_concerned in concerned]

    def _answers(self, engine: Engine, ask: Ask, questions: Sequence[Question], system: str | None) -> list[Answer]:
        """Per question the answer to one ask."""
        names, prompts = [question.id for question in questions], [question.asked for question in questions]
        if ask == Perplexity():  # of documents, without a prompt
            return engine.document_loglikelihoods(names, [q.target for q in questions])
        answers = self._after_prompts(engine, ask, questions, system)
        return [{**engine.asked(prompt, system), **answer} for prompt, answer in zip(prompts, answers, strict=True)]

    def _after_prompts(
        self, engine: Engine, ask: Ask, questions: Sequence[Question], system: str | None
    ) -> list[Answer]:
        """Per question the answer to an ask that goes on from its prompt."""
        names, prompts = [question.id for question in questions], [question.asked for question in questions]
        match ask:
            case Perplexity():
                return engine.answer_loglikelihoods(names, prompts, [q.target for q in questions], system)
            case Choices():
                return engine.choice_loglikelihoods(names, prompts, [q.choices for q in questions], system)
        ids = [engine.prompt_ids(prompt, system) for prompt in prompts]
        match ask:
            case Probe():
                return probe(engine, names, ids, ask.max_new_tokens)
            case Parity():
                self.resident.give_away()  # its memory is needed for the copies
                return compare_copies(
                    engine, names, ids, [str(q.copy) for q in questions], ask.max_new_tokens, self.folder
                )
            case Generate():
                return engine.generate(names, ids, ask.max_new_tokens, ask.temperature)
        raise AssertionError(f"{ask} is not asked of a model")
