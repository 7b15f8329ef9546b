"""The schooling of the base: varied, repeatable, within the context, and pretraining that goes on after being killed."""

import random
import shutil
from collections import Counter
from itertools import islice

import pytest

from course_utils.chat import encode
from course_utils.models import KNOWN
from course_utils.settings import DATA
from course_utils.tiny_base import begin, corpus, pretrain, skills
from course_utils.verdict import holds


def test_material_is_broad():
    texts = corpus.material()
    assert len(texts.by_topic) >= 80
    for facets in texts.by_topic.values():
        assert sum(len(f.statements) for f in facets) >= 25
        assert sum(len(f.questions) for f in facets) >= 12


def test_statements_hold_the_points_of_their_card():
    cards = {
        (card["topic"], facet["facet"]): facet["must_include"]
        for path in (DATA / "base_corpus" / "cards").glob("*.jsonl")
        for card in corpus._lines(path)
        for facet in card["facets"]
    }
    for facet in corpus.material().facets:
        for statement in facet.statements:
            for group in cards[facet.topic, facet.name]:
                assert holds(group, statement) >= 0, (facet.topic, facet.name, statement)


def test_the_same_seed_gives_the_same_stream():
    first, again, other = (list(islice(corpus.stream(seed), 50)) for seed in (1, 1, 2))
    assert first == again != other


def test_every_skill_makes_talks_that_end_with_an_answer_and_fit(tiny):
    rng, texts = random.Random(3), corpus.material()
    taught = [{maker for maker, _ in mix} for _, mix in skills.STAGES]
    assert taught[0] <= taught[1] < taught[2]  # nothing is dropped later
    assert sum(share for share, _ in skills.STAGES) == pytest.approx(1)
    for maker, _ in skills.MIX:
        for _ in range(40):
            chat = maker(rng, texts)
            assert chat[-1]["role"] == "assistant"
            assert chat[-1]["content"].strip()
            assert sum(encode(tiny.tokenizer, chat, begin.CONTEXT).mask) > 0


def test_conversations_are_hardly_ever_alike():
    talks = Counter(str(chat) for chat in islice(corpus.stream(4), 3000))
    assert len(talks) >= 2990


def test_reading_answers_stand_in_the_document():
    rng, texts = random.Random(5), corpus.material()
    found = 0
    for _ in range(300):
        *_, asked, reply = skills.reading(rng, texts)
        if reply["content"].startswith("Section "):
            number = reply["content"].split()[1]
            assert f"Section {number}, " in asked["content"]
            found += 1
    assert 150 < found < 280


@pytest.mark.parametrize("cut", [3])
def test_pretraining_goes_on_where_it_was_stopped(tmp_path, monkeypatch, cut):
    import torch

    monkeypatch.setattr(pretrain, "BATCH", 256)
    monkeypatch.setattr(pretrain, "WIDTHS", (64, 128))
    monkeypatch.setattr(begin, "TOPIC_STEPS", 5)
    monkeypatch.setattr(pretrain, "can_compile", lambda: False)
    for name in ("whole", "parts"):
        shutil.copytree(KNOWN["tiny"].place, tmp_path / name / "tokenizer", ignore=shutil.ignore_patterns("*.safetensors"))
    whole = pretrain.pretrain(tmp_path / "whole", 6, 1e-3, 7, 60)

    class Killed(Exception):
        pass

    save = pretrain._save

    def save_then_die(out, model, opts, number, *rest):
        save(out, model, opts, number, *rest)
        if number == cut:
            raise Killed

    monkeypatch.setattr(pretrain, "_save", save_then_die)
    with pytest.raises(Killed):
        pretrain.pretrain(tmp_path / "parts", 6, 1e-3, 7, 0)
    monkeypatch.setattr(pretrain, "_save", save)
    parts = pretrain.pretrain(tmp_path / "parts", 6, 1e-3, 7, 60)
    from safetensors.torch import load_file

    a, b = load_file(whole / "model.safetensors"), load_file(parts / "model.safetensors")
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_two_heads_start_out_finding_what_followed_the_present_word(tiny, monkeypatch):
    import torch

    monkeypatch.setattr(begin, "TOPIC_STEPS", 20)

    torch.manual_seed(0)
    model = begin.build_model(tiny.tokenizer).eval()
    model.set_attn_implementation("eager")
    half = torch.randperm(4000)[:40] + 50
    with torch.no_grad():
        layers = model(input_ids=half.repeat(2)[None], output_attentions=True).attentions
    back, match = layers[0][0, 0], layers[1][0, 0]  # the first head of the first two layers, shape (80, 80)
    assert torch.stack([back[i, i - 1] for i in range(1, 80)]).mean() > 0.9
    followed = torch.stack([match[i, i - 40 + 1] for i in range(41, 79)])
    assert followed.mean() > 0.7  # by chance it would be one in the sixty words before
    assert model.model.layers[1].self_attn.q_proj.weight.requires_grad  # a start, not a fixture


def test_words_start_out_near_words_of_their_topic(tiny, monkeypatch):
    import torch

    monkeypatch.setattr(begin, "TOPIC_STEPS", 150)
    places = begin.word_topics(tiny.tokenizer)

    def place(text: str) -> torch.Tensor:
        return places[tiny.tokenizer(text, add_special_tokens=False)["input_ids"]].mean(0)

    def likeness(a: str, b: str) -> float:
        return torch.nn.functional.cosine_similarity(place(a), place(b), dim=0).item()

    assert likeness(" invoice", " supplier") > likeness(" invoice", " sick") + 0.1
    assert likeness(" sick", " doctor") > likeness(" sick", " invoice") + 0.1
    assert 1.5 * place(" the").norm() < place(" parental").norm()  # what stands everywhere tells little


def test_what_is_told_about_topics_is_kept(tmp_path, tiny, monkeypatch):
    import torch

    monkeypatch.setattr(begin, "TOPIC_STEPS", 5)
    monkeypatch.setattr(pretrain, "BATCH", 256)
    monkeypatch.setattr(pretrain, "WIDTHS", (64,))
    monkeypatch.setattr(pretrain, "can_compile", lambda: False)
    shutil.copytree(KNOWN["tiny"].place, tmp_path / "tokenizer", ignore=shutil.ignore_patterns("*.safetensors"))
    started = []
    build = begin.build_model

    def build_and_look(tokenizer):
        model = build(tokenizer)
        started.append({name: p.detach().to(torch.bfloat16).clone() for name, p in model.named_parameters()})
        return model

    monkeypatch.setattr(begin, "build_model", build_and_look)
    made = pretrain.pretrain(tmp_path, 3, 1e-2, 7, 60)
    from safetensors.torch import load_file

    before, after = started[0], load_file(made / "model.safetensors")
    told, words = 1 + begin.TOLD, "model.embed_tokens.weight"
    assert torch.equal(after[words][:, :told], before[words][:, :told])
    assert not torch.equal(after[words][:, told:], before[words][:, told:])
    for layer, held in ((0, 192), (1, 64)):
        values = f"model.layers.{layer}.self_attn.v_proj.weight"
        assert torch.equal(after[values][:held], before[values][:held])
        assert not torch.equal(after[values][held:], before[values][held:])


def test_the_helpers_are_told_what_is_asked_and_where_it_stands(tiny, monkeypatch):
    monkeypatch.setattr(pretrain, "BATCH", 2048)
    texts = corpus.material()
    names = {number: about for about, number in pretrain.kinds(texts).items()}
    asked = copied = absent = 0
    for _, ids, weights, about, aims in islice(pretrain.Batches(tiny.tokenizer, 3), 60):
        for row, counts, kinds, (mark, end) in zip(ids, weights, about, aims, strict=True):
            spoken = tiny.tokenizer.decode(row[mark + 1 :]).split("<|end|>")[0]
            assert counts[mark] == 0 < counts[mark + 1]
            if kinds[mark] >= 0 and kinds[mark] < len(texts.facets):
                assert spoken.startswith(f"You ask {names[int(kinds[mark])]}.")
                stressed = tiny.tokenizer.decode(row[mark + 1 :][counts[mark + 1 :] == pretrain.STRESS[-1]])
                assert stressed == f"You ask {names[int(kinds[mark])]}."
                asked += 1
            if end > 0:
                assert end < mark
                assert spoken.endswith(tiny.tokenizer.decode(row[end - 5 : end + 1]).strip())
                copied += 1
            elif end == 0:
                assert spoken in (*skills.NOT_IN_DOCUMENT, skills.NONE_OF_THEM)
                absent += 1
    assert min(asked, copied, absent) > 50


def test_the_loss_counts_what_it_should():
    import torch

    ids = torch.tensor([[5, 6, 7, 8, 0, 0]])
    counts = torch.tensor([[0.0, 0.0, 3.0, 1.0, 0.0, 0.0]])
    places, wanted, weights = pretrain.chosen(ids, counts, 0.0)
    assert len(places) % pretrain.ROUND == 0
    assert (wanted[weights > 0].tolist(), weights[weights > 0].tolist()) == ([7, 8], [0.75, 0.25])
    places, wanted, weights = pretrain.chosen(ids, counts, 0.5)
    assert wanted[weights > 0].tolist() == [6, 7, 8]
    assert weights.sum().item() == pytest.approx(1.5)


def test_house_papers_are_answered_by_their_own_sentence_or_not_at_all():
    rng, texts = random.Random(6), corpus.material()
    assert len(texts.documents) >= 50
    answered = 0
    for _ in range(300):
        *_, asked, reply = skills.house_paper(rng, texts)
        if reply["content"].startswith("Section "):
            number, sentence = reply["content"].removeprefix("Section ").split(" says: ", 1)
            assert f"Section {number}, " in asked["content"]
            assert sentence in asked["content"]
            answered += 1
        else:
            assert reply["content"] in skills.NOT_IN_DOCUMENT
    assert 190 < answered < 260


def test_a_found_sentence_holds_what_was_looked_for():
    rng, texts = random.Random(8), corpus.material()
    found = 0
    for _ in range(200):
        asked, reply = (m["content"] for m in skills.finding(rng, texts))
        sentence = reply.split(" says: ", 1)[-1]
        if reply != skills.NONE_OF_THEM and reply not in skills.NOT_IN_DOCUMENT:
            assert sentence in asked
            found += 1
    assert 140 < found < 190


def test_patchy_and_pieced_questions_hold_only_words_of_their_own():
    rng, texts = random.Random(7), corpus.material()
    for facet in texts.facets[:50]:
        question = rng.choice(facet.questions)
        assert set(skills.patchy(rng, question).split()) <= set(question.split())
        assert set(skills.pieced(rng, facet.questions).split()) <= {w for q in facet.questions for w in q.split()}


def test_lessons_come_in_stages(tiny, monkeypatch):
    monkeypatch.setattr(pretrain, "BATCH", 512)
    early = [ids.shape[1] for _, ids, *_ in islice(pretrain.Batches(tiny.tokenizer, 1, steps=200), 20)]
    later = [ids.shape[1] for _, ids, *_ in islice(pretrain.Batches(tiny.tokenizer, 1), 20)]
    assert sum(early) < sum(later)
    stages = [pretrain.Batches(tiny.tokenizer, 1, steps=200).stage(number) for number in (0, 29, 30, 79, 80, 5000)]
    assert stages == [0, 0, 1, 1, 2, 2]
    a, b = (next(iter(pretrain.Batches(tiny.tokenizer, 1, steps=12, skip=k)))[0] for k in (0, 7))
    assert (a, b) == (1, 8)


def test_rewording_swaps_synonyms_and_nothing_else():
    rng, texts = random.Random(11), corpus.material()
    assert len(texts.synonyms) >= 3000
    for phrase, others in texts.synonyms.items():
        assert phrase not in others
        assert all(phrase in texts.synonyms[other] for other in others)
    made = {skills.reworded(rng, texts, "My boss is ill, what now?") for _ in range(40)}
    assert len(made) > 5
    assert all(text.startswith("My ") for text in made)
    assert any("boss" not in text for text in made)
    assert skills.reworded(rng, texts, "Zzyzx qwrt?") == "Zzyzx qwrt?"


def test_a_reply_says_first_what_was_asked():
    rng, texts = random.Random(12), corpus.material()
    for facet in texts.facets:
        assert skills.a_reply(rng, facet).startswith(f"You ask {facet.about}. ")
        assert not facet.about.endswith(".")
