"""Methods with one token per modality: the token transformer, Ma et al. 2022, Lee et al. 2023."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.base import clone

from srmm import Embeddings
from srmm.errors import InputError
from srmm.learning.instances import Batch
from srmm.methods import make_method
from srmm.methods.lee2023 import MissingPromptClassifier
from srmm.methods.ma2022 import views
from srmm.methods.networks.missing_prompts import PromptedTransformer
from srmm.methods.networks.token_transformer import Block, TokenTransformer
from srmm.recipe import RECIPES

NAMES = ("vilt-tokens", "ma2022", "lee2023-input", "lee2023-attention")
QUICK = {**RECIPES["comparison"], "max_epochs": 8, "batch_size": 32, "dropout": 0.1}
SMALL = {
    "recipe": QUICK,
    "width": 16,
    "heads": 2,
    "prompt_length": 4,
    "learning_rates": (0.01,),
    "prompt_learning_rates": (0.01,),
    "random_state": 0,
}
DIMS = {"image": 6, "text": 9, "audio": 4}


def problem(M: int = 2, n: int = 300, missing: float = 0.4, seed: int = 0) -> Embeddings:
    """Three separable classes, every modality tells them apart; holes at random."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    dense = {}
    for name, size in list(DIMS.items())[:M]:
        centres = 2 * np.random.default_rng(size).normal(size=(3, size))
        dense[name] = centres[y] + 0.7 * rng.normal(size=(n, size))
    present = rng.random((n, M)) >= missing
    present[np.arange(n), rng.integers(M, size=n)] = True
    return Embeddings.from_arrays(
        dense, present=present, labels=np.array(["ant", "bee", "cat"], dtype=object)[y]
    )


def small(name: str, **parameters):
    return make_method(name, **(SMALL | parameters))


@pytest.fixture(scope="module", params=NAMES)
def fitted(request: pytest.FixtureRequest):
    return small(request.param).fit(problem())


def transformer(M: int = 2, **settings) -> TokenTransformer:
    torch.manual_seed(0)
    dims = dict(list(DIMS.items())[:M])
    return TokenTransformer(dims, 3, width=16, heads=2, layers=2, **settings).eval()


def batch(M: int = 2, n: int = 5) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.randn(n, d, generator=generator, requires_grad=True)
        for name, d in list(DIMS.items())[:M]
    }


NETWORKS = {
    "vilt-tokens": lambda M: transformer(M),
    "ma2022": lambda M: transformer(M, absent="hidden", fusion_layer=1),
    "lee2023-input": lambda M: PromptedTransformer(transformer(M), prompt_layers=2).eval(),
    "lee2023-attention": lambda M: PromptedTransformer(
        transformer(M), "attention", prompt_layers=2
    ).eval(),
}


def test_learns_two_modalities_with_holes(fitted) -> None:
    test = problem(seed=1)
    assert fitted.score(test) > 0.9
    for m in range(2):
        alone = test[test.present[:, m]].mask(np.arange(2) == m)
        assert fitted.score(alone) > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_learns_three_modalities_with_holes(name: str) -> None:
    model = small(name).fit(problem(M=3))
    test = problem(M=3, seed=1)
    assert model.score(test) > 0.9
    assert model.transform(test).shape == (len(test), 16)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("garbage", [1e6, torch.nan])
def test_what_lies_in_memory_of_absent_items_does_not_matter(name: str, garbage: float) -> None:
    network = NETWORKS[name](3)
    present = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]]).bool()
    items = {key: x.detach() for key, x in batch(3).items()}
    other = {
        key: torch.where(present[:, m, None], x, garbage)
        for m, (key, x) in enumerate(items.items())
    }
    torch.testing.assert_close(network(items, present), network(other, present), rtol=0, atol=0)
    assert not torch.equal(network(items, present), network(items, torch.ones_like(present)))


@pytest.mark.parametrize("name", NAMES)
def test_an_instance_alone_gives_what_it_gives_in_a_batch(name: str) -> None:
    network = NETWORKS[name](2)
    items, present = batch(), torch.tensor([[1, 0], [0, 1], [1, 1], [1, 0], [0, 1]]).bool()
    whole = network(items, present)
    for i in range(5):
        lone = network({key: x[i : i + 1] for key, x in items.items()}, present[i : i + 1])
        torch.testing.assert_close(lone, whole[i : i + 1])


def test_the_state_gives_the_same_predictions(fitted) -> None:
    state, arrays = fitted.get_state()
    state = json.loads(json.dumps(state))
    again = type(fitted)()
    again.classes_, again.modalities_ = fitted.classes_, fitted.modalities_
    again.embedding_dims_, again.encoders_ = fitted.embedding_dims_, fitted.encoders_
    again.set_state(state, arrays)
    test = problem(seed=2)
    np.testing.assert_array_equal(again.predict_proba(test), fitted.predict_proba(test))
    np.testing.assert_array_equal(again.transform(test), fitted.transform(test))
    assert again.chosen_ == fitted.chosen_


def test_clone_and_fit_give_the_same_again(fitted) -> None:
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    test = problem(seed=2)
    np.testing.assert_array_equal(
        again.fit(problem()).predict_proba(test), fitted.predict_proba(test)
    )


@pytest.mark.parametrize("name", NAMES)
def test_one_modality(name: str) -> None:
    model = small(name).fit(problem(M=1))
    assert model.score(problem(M=1, seed=1)) > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_in_which_nobody_has_a_modality(name: str) -> None:
    network = NETWORKS[name](2).train()
    present = torch.tensor([[True, False]]).expand(5, 2)
    items = batch()
    network(items, present).sum().backward()
    assert items["text"].grad is None or not items["text"].grad.any()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_modality_that_is_never_with_the_other_in_training(name: str) -> None:
    data = problem(missing=0)
    first = np.arange(len(data)) % 2 == 0
    model = small(name).fit(data.mask(np.column_stack([first, ~first])))
    assert model.score(problem(missing=0, seed=1)) > 0.8


def test_no_held_out_instances() -> None:
    recipe = {**QUICK, "validation_fraction": 0.0, "max_epochs": 2}
    for name in NAMES:
        model = small(name, recipe=recipe).fit(problem(n=60))
        assert model.training_["n_validation"] == 0
        assert len(model.history_.epochs) == 2


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="multiple of heads"):
        small("vilt-tokens", heads=3).fit(problem(n=40))
    with pytest.raises(InputError, match=r"even \(half are keys"):
        small("lee2023-attention", prompt_length=3).fit(problem(n=40))
    with pytest.raises(InputError, match="from 1 to the transformer's 2 layers"):
        small("lee2023-input", prompt_layers=3).fit(problem(n=40))


def test_the_last_layer_for_the_class_token_alone_is_the_whole_layer() -> None:
    torch.manual_seed(0)
    block = Block(16, 4).eval()
    x = torch.randn(3, 4, 16)
    torch.testing.assert_close(block(x[:, :1], x), block(x, x)[:, :1])


def test_the_block_is_the_pre_norm_layer_of_pytorch() -> None:
    torch.manual_seed(0)
    block = Block(16, 4).eval()
    theirs = torch.nn.TransformerEncoderLayer(
        16, 4, 64, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    ours = block.state_dict()
    weights = {
        "self_attn.in_proj_weight": torch.cat([ours["query.weight"], ours["key_value.weight"]]),
        "self_attn.in_proj_bias": torch.cat([ours["query.bias"], ours["key_value.bias"]]),
    }
    for name, part in {
        "self_attn.out_proj": "out",
        "linear1": "mlp.0",
        "linear2": "mlp.3",
        "norm1": "norm1",
        "norm2": "norm2",
    }.items():
        weights |= {f"{name}.{key}": ours[f"{part}.{key}"] for key in ("weight", "bias")}
    theirs.load_state_dict(weights)
    x = torch.randn(3, 4, 16)
    torch.testing.assert_close(block(x, x), theirs(x))


# Ma et al. 2022


def reaches(fusion_layer: int, layer: int) -> torch.Tensor:
    """Whether token k's embedding moves token q after that many layers: boolean (3, 3)."""
    network = transformer(absent="hidden", fusion_layer=fusion_layer)
    present = torch.ones(1, 2, dtype=torch.bool)
    x0 = network.tokens(batch(n=1), present).detach().requires_grad_(True)
    x = x0
    for i, block in enumerate(network.blocks[:layer]):
        x = block(x, x, allowed=network.allowed(present, i))
    moved = []
    for q in range(3):
        (gradient,) = torch.autograd.grad(x[0, q, 0], x0, retain_graph=True)
        moved.append(gradient[0].abs().sum(dim=1) > 0)
    return torch.stack(moved)


def test_before_the_fusion_layer_modalities_do_not_see_each_other() -> None:
    everything = torch.ones(3, 3, dtype=torch.bool)
    apart = torch.eye(3, dtype=torch.bool)
    apart[0] = True  # the class token sees all
    assert torch.equal(reaches(0, 1), everything)
    assert torch.equal(reaches(1, 1), apart)
    assert torch.equal(reaches(1, 2), everything)
    assert torch.equal(reaches(2, 2), apart)


@pytest.mark.parametrize("fusion_layer", [0, 1, 2])
def test_a_hidden_item_gets_no_attention(fusion_layer: int) -> None:
    network = transformer(absent="hidden", fusion_layer=fusion_layer)
    present = torch.tensor([[True, False]])
    x0 = network.tokens(batch(n=1), present).detach().requires_grad_(True)
    x = x0
    for i, block in enumerate(network.blocks):
        x = block(x, x, allowed=network.allowed(present, i))
    (gradient,) = torch.autograd.grad(x[0, 0].sum(), x0)
    assert gradient[0, 1].any()
    assert not gradient[0, 2].any()


def test_views_are_all_items_and_each_alone_once() -> None:
    present = torch.tensor([[1, 1, 1], [0, 1, 1], [0, 0, 1]]).bool()
    masks, rows = views(present)
    shown = {i: sorted(map(tuple, masks[rows == i].int().tolist())) for i in range(3)}
    assert shown == {
        0: [(0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1)],
        1: [(0, 0, 1), (0, 1, 0), (0, 1, 1)],
        2: [(0, 0, 1)],
    }


def test_the_loss_sums_the_cross_entropies_of_the_views() -> None:
    model = small("ma2022").fit(problem(n=60))
    items = {name: x.detach() for name, x in batch().items()}
    present = torch.tensor([[1, 1], [1, 0], [0, 1], [1, 1], [1, 1]]).bool()
    target = torch.tensor([0, 1, 2, 1, 0])

    def loss(i: int, *mask: bool) -> torch.Tensor:
        row = {name: x[i : i + 1] for name, x in items.items()}
        logits = model.network_(row, torch.tensor([mask]))
        return -logits.log_softmax(dim=1)[0, target[i]]

    with torch.no_grad():
        losses = model._loss(Batch(items, present), target)
        torch.testing.assert_close(losses[1], loss(1, True, False))
        whole = loss(3, True, True) + loss(3, True, False) + loss(3, False, True)
        torch.testing.assert_close(losses[3], whole)


def test_the_fusion_layer_is_the_best_on_held_out_instances() -> None:
    model = small("ma2022", layers=3).fit(problem())
    assert sorted(model.fusion_scores_) == [0, 1, 2]
    assert model.fusion_scores_[model.fusion_layer_] == max(model.fusion_scores_.values())
    assert model.network_.fusion_layer == model.fusion_layer_
    kept = model.history_.epochs[model.history_.best_epoch - 1]
    assert kept["validation_score"] == model.fusion_scores_[model.fusion_layer_]


def test_the_chosen_fusion_layer_is_in_the_state() -> None:
    model = small("ma2022").fit(problem(n=100))
    state, arrays = model.get_state()
    for layer in (0, 1):
        again = type(model)()
        again.classes_, again.modalities_ = model.classes_, model.modalities_
        again.embedding_dims_, again.encoders_ = model.embedding_dims_, model.encoders_
        again.set_state(state | {"fusion_layer": layer}, arrays)
        assert again.network_.fusion_layer == again.fusion_layer_ == layer
        assert again.fusion_scores_ == model.fusion_scores_


# Lee et al. 2023


@pytest.mark.parametrize("name", ["lee2023-input", "lee2023-attention"])
def test_stage_two_changes_prompts_pooler_and_head_only(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[dict[str, torch.Tensor]] = []
    prompted = MissingPromptClassifier._prompted

    def remembered(self, network):
        made = prompted(self, network)
        before.append({key: x.clone() for key, x in made.state_dict().items()})
        return made

    monkeypatch.setattr(MissingPromptClassifier, "_prompted", remembered)
    model = small(name).fit(problem())
    changed = {
        key for key, x in model.network_.state_dict().items() if not torch.equal(x, before[-1][key])
    }
    learns = ("transformer.pooler.", "transformer.head.", "prompts", "shown")
    assert changed == {key for key in before[-1] if key.startswith(learns)}
    # and what is frozen had learnt in stage 1: with its own pooler and head it classifies
    model.network_.load_state_dict(before[-1])
    assert model.score(problem(missing=0, seed=1)) > 0.8


def test_stage_one_sees_complete_instances_where_every_class_has_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    fit_best = MissingPromptClassifier._fit_best

    def counted(self, make, rates, train, held, seed):
        seen.append(len(train.y))
        return fit_best(self, make, rates, train, held, seed)

    monkeypatch.setattr(MissingPromptClassifier, "_fit_best", counted)
    data = problem()
    model = small("lee2023-input").fit(data)
    assert seen[0] < seen[1] == model.training_["n_train"]

    seen.clear()
    rare = data.present.all(axis=1) & (data.labels == "cat")
    holes = data.mask(np.where(rare[:, None], [True, False], [True, True]))
    small("lee2023-input").fit(holes)
    assert seen[0] == seen[1]


def test_patterns_have_prompts_of_their_own() -> None:
    network = PromptedTransformer(transformer()).train()
    present = torch.tensor([[True, True], [True, False], [False, True]])
    torch.testing.assert_close(network.prompts_of(present), network.prompts)
    assert network.shown.all()


def test_a_pattern_that_training_never_showed_takes_the_nearest_prompts() -> None:
    network = PromptedTransformer(transformer()).train()
    network.prompts_of(torch.tensor([[True, False], [False, True]]))
    assert network.shown.tolist() == [False, True, True]
    network.eval()
    prompt = network.prompts_of(torch.tensor([[True, True], [False, True]]))
    torch.testing.assert_close(prompt[0], network.prompts[1:].mean(dim=0))
    torch.testing.assert_close(prompt[1], network.prompts[2])


def test_many_modalities_share_prompts() -> None:
    dims = {f"m{i}": 3 for i in range(7)}
    network = PromptedTransformer(TokenTransformer(dims, 2, width=8, heads=2), prompt_length=2)
    assert len(network.prompts) == 1 + 7 + 7
    present = torch.rand(20, 7) > 0.5
    logits = network({name: torch.randn(20, 3) for name in dims}, present)
    assert logits.isfinite().all()


@pytest.mark.parametrize("place", ["input", "attention"])
def test_the_prompt_reaches_the_output_at_each_layer_that_has_one(place: str) -> None:
    network = PromptedTransformer(transformer(), place, prompt_layers=2).eval()
    network(batch(), torch.ones(5, 2, dtype=torch.bool)).sum().backward()
    moved = network.prompts.grad.abs().sum(dim=(2, 3)) > 0
    assert moved.tolist() == [[True, True], [False, False], [False, False]]
