"""How `tiny` begins: its tokenizer, its architecture, and the head start that its weights get before any training."""

import math
import random
from collections.abc import Iterable
from pathlib import Path

from course_utils.chat import BOS, END, PAD, ROLES, TEMPLATE
from course_utils.settings import SEED
from course_utils.tiny_base import corpus, skills

VOCABULARY = 4096
CONTEXT = 1024
TOLD = 127  # of a word's 256 numbers, how many start out saying what it is about
TOPIC_STEPS = 1000  # updates of the bag of words that they start from


def train_tokenizer(texts: Iterable[str], folder: str | Path, context: int):
    """Train the vocabulary of `tiny`, byte-level BPE with digits one by one, and save it.

    Args:
        texts: Plain texts of the corpus.
        folder: Where tokenizer.json and its companions go.
        context: Tokens that fit into the model.

    Returns:
        The tokenizer, as transformers loads it.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d| ?\p{L}+| ?[^\s\p{L}\d]+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, BOS, END, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=list(ROLES),
        model_max_length=context,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    return fast


def build_model(tokenizer=None):
    """The architecture: a Llama of six layers, 256 wide, about 5.9 million parameters.

    Args:
        tokenizer: If given, words start out knowing the company they keep; see `word_topics`.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    prepare_weights(model, None if tokenizer is None else word_topics(tokenizer))
    return model


def word_topics(tokenizer, size: int = TOLD, rows: int = 512):
    """What each token says about the topic of a question, as coordinates: add up those of its tokens, and the topic shows.

    A bag of words with a hidden layer and a linear classifier over all facets (A. Joulin and others, 2016, "Bag of Tricks for
    Efficient Text Classification"), trained on questions of which a random half of the tokens is hidden, so that no token is
    relied on alone. Tokens that stand everywhere come out near zero.

    Args:
        tokenizer: The tokenizer of `tiny`.
        size: How many coordinates.
        rows: Questions in an update; there are `TOPIC_STEPS` updates.

    Returns:
        A tensor of shape (vocabulary, size), of length 1 for the tokens that say most. The first coordinates tell most.
    """
    import torch
    from torch.nn import functional

    rng, texts, draw = random.Random(SEED), corpus.material(), torch.Generator().manual_seed(SEED)
    coordinates = torch.zeros(VOCABULARY, size).requires_grad_()  # a token that no question holds tells nothing
    classes = torch.randn(len(texts.facets), size, generator=draw).mul_(0.1).requires_grad_()
    opt = torch.optim.AdamW([coordinates, classes], lr=0.02, weight_decay=0.1)
    for step in range(TOPIC_STEPS):
        facets = [rng.randrange(len(texts.facets)) for _ in range(rows)]
        asked = [" " + skills.a_question(rng, texts, texts.facets[k]) for k in facets]
        ids = tokenizer(asked, add_special_tokens=False, padding=True, return_tensors="pt")["input_ids"]
        seen = (ids != 0) & (torch.rand(ids.shape, generator=draw) < 0.5)
        bags = (functional.embedding(ids, coordinates) * seen[..., None]).sum(1) / seen.sum(1, keepdim=True).clamp(min=1).sqrt()
        bags = bags * (torch.rand(bags.shape, generator=draw) < 0.8) * 3.75
        loss = functional.cross_entropy(bags @ classes.T, torch.tensor(facets), label_smoothing=0.1)
        for group in opt.param_groups:
            group["lr"] = 0.02 * (1 - step / TOPIC_STEPS)
        loss.backward()
        opt.step()
        opt.zero_grad()
    with torch.no_grad():
        _, strength, directions = torch.linalg.svd(
            classes, full_matrices=False
        )  # where the facets lie farthest apart comes first
        places = coordinates @ directions.T * strength / strength.max()
    lengths = places.norm(dim=1, keepdim=True)
    return places / lengths.clamp(min=lengths.quantile(0.9).item())


def prepare_weights(model, topics=None, seen: int = 48) -> None:
    """Start the model with two simple circuits in place, so that its short schooling goes into everything else.

    *Look it up*: find where the last word stood before, and look at what followed it. Trained models all grow this pair of
    heads, and all copying and reading stands on it (C. Olsson and others, 2022, "In-context Learning and Induction Heads");
    from random weights a small model needs most of its training for it. So the first head of the first layer starts out
    looking one token back, and the first head of the second layer looks for the present token among those.
    *What is it about*: if `topics` is given, half of each word's numbers say which topics it belongs to, and the second and third
    head of the first layer start out averaging them over the text so far.
    All this is held while the rest is trained; see `told_parts`. Besides, words start out louder than the layers' noise.

    Args:
        model: The model as transformers made it; its weights are changed in place.
        topics: Coordinates by token, shape (vocabulary, at most two heads' width), or None.
        seen: Directions in which the two heads compare words, at most three quarters of a head's width.
    """
    import torch

    width = model.config.hidden_size
    head = width // model.config.num_attention_heads
    back, match = (layer.self_attn for layer in model.model.layers[:2])
    told = 0 if topics is None else topics.shape[1]  # numbers of a word that say what it is about: 1 to told
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.mul_(0.1)
            layer.mlp.down_proj.weight.mul_(0.1)
        words = model.model.embed_tokens.weight.mul_(2.0)
        loud = words.std().item()
        words[:, 0] = 16 * loud  # the same for every word: it tells nothing, and lets a head look by distance alone
        if told:
            words[:, 1 : 1 + told] = topics * loud * told**0.5
        turned = torch.zeros(width, 2 * seen)
        turned[1 + told :] = torch.linalg.qr(torch.randn(width - 1 - told, 2 * seen))[0]
        this, last = turned[:, :seen].T.clone(), turned[:, seen:].T.clone()
        for attention in (back, match):
            for part in (attention.q_proj, attention.k_proj, attention.v_proj):
                part.weight[:head] = 0
            attention.o_proj.weight[:, :head] = 0
            attention.v_proj.weight[:seen] = this
        for i in range(10):  # rotary pairs that turn fast enough to tell neighbours apart
            angle = model.config.rope_parameters["rope_theta"] ** (-2 * i / head)
            back.q_proj.weight[i, 0] = 3.0 if i < 3 else 1.5  # most of all the fastest, or a loud word outshouts its neighbour
            back.k_proj.weight[i, 0] = 0.8 * math.cos(angle)
            back.k_proj.weight[i + head // 2, 0] = 0.8 * math.sin(angle)
        back.o_proj.weight[:, :seen] = last.T * 4 * loud
        slow = [i for i in range(head) if i % (head // 2) >= head // 2 - seen // 2]  # pairs that hardly turn
        match.q_proj.weight[slow], match.k_proj.weight[slow] = 4.5 * this, 4.5 * last
        match.o_proj.weight[:, :seen] = this.T * 16 * loud
        if told:
            for part in (back.q_proj, back.k_proj, back.v_proj):
                part.weight[head : 3 * head] = 0  # no preference: all words so far count alike
            back.o_proj.weight[:, head : 3 * head] = 0
            for i in range(told):
                back.v_proj.weight[head + i, 1 + i] = 1
                back.o_proj.weight[1 + i, head + i] = 4 * loud


def told_parts(model, told: int = TOLD) -> list:
    """What `prepare_weights` set by hand, as views: the numbers of the words and four heads. They are put back after every update.

    Left to themselves they are washed away within a hundred updates, before anything has learned to use them: Muon's updates
    have full size in every direction, also where the gradient is mere noise.
    """
    head = model.config.hidden_size // model.config.num_attention_heads
    back, match = (layer.self_attn for layer in model.model.layers[:2])
    parts = [model.model.embed_tokens.weight[:, : 1 + told]]
    for attention, heads in ((back, 3), (match, 1)):
        parts += [part.weight[: heads * head] for part in (attention.q_proj, attention.k_proj, attention.v_proj)]
        parts.append(attention.o_proj.weight[:, : heads * head])
    return [part.detach() for part in parts]
