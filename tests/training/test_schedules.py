"""Learning rates over the iterations, and the optimizers that use them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import OneCycleLR

from dissection.training.schedules import Plateau, make_optimizer, make_schedule, one_cycle
from dissection.training.settings import certain_iterations


def test_one_cycle_rises_then_falls():
    rates = [one_cycle(i, 200) for i in range(201)]
    top = int(np.argmax(rates))
    assert top == 30
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[-1] == pytest.approx(0)


def rates(settings, last, rate=0.01):
    """The learning rates of a training's iterations."""
    settings = settings | {"optimizer": "sgd", "learning_rate": rate, "weight_decay": 0}
    optimizer = make_optimizer([torch.nn.Parameter(torch.zeros(1))], settings | {"momentum": 0})
    schedule = make_schedule(optimizer, settings, last)
    for _ in range(last):
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step()


def test_steps_of_the_paper():
    found = list(rates({"schedule": "step", "step_size": 100}, 300))
    assert found == pytest.approx([0.01] * 100 + [0.001] * 100 + [0.0001] * 100, rel=1e-15)


@pytest.mark.parametrize("last", [0, 1, 12, 1800])
def test_one_cycle_has_the_bits_of_its_curve(last):
    found = list(rates({"schedule": "one_cycle"}, last, 0.002))
    assert found == [0.002 * one_cycle(iteration, last) for iteration in range(last)]


def test_one_cycle_is_torch_s_but_for_rounding():
    last = 200
    weight = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.002)
    schedule = OneCycleLR(
        *(weight, 0.002),
        **{"total_steps": last + 1, "pct_start": (0.15 * last + 1) / (last + 1)},
        **{"div_factor": 25, "final_div_factor": math.inf, "cycle_momentum": False},
    )
    for rate in rates({"schedule": "one_cycle"}, last, 0.002):
        assert rate == pytest.approx(weight.param_groups[0]["lr"], rel=1e-14)
        weight.step()
        schedule.step()


def test_sgd_with_momentum_and_weight_decay():
    """v = m v + g + d w; w = w - r v, by hand."""
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    settings = {
        **{"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.01, "momentum": 0.5},
        **{"schedule": "step", "step_size": 1},
    }
    optimizer = make_optimizer([weight], settings)
    schedule = make_schedule(optimizer, settings, 2)
    w, v = 2.0, 0.0
    for rate in (0.1, 0.01):
        weight.grad = torch.tensor([3.0])
        optimizer.step()
        schedule.step()
        v = 0.5 * v + 3 + 0.01 * w
        w -= rate * v
        assert weight.item() == pytest.approx(w)


def test_adamw():
    optimizer = make_optimizer(
        [torch.nn.Parameter(torch.zeros(1))],
        {"optimizer": "adamw", "learning_rate": 0.1, "weight_decay": 0.2},
    )
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.defaults["weight_decay"] == 0.2


def plateaus_by_definition(accuracies, patience, images):
    """The learning rate of each epoch, up to the one that ends the training."""
    found, rate, best, without = [], 1.0, None, 0
    for accuracy in accuracies:
        found.append(rate)
        if best is None or accuracy > best + math.sqrt(best * (1 - best) / images):
            best, without = accuracy, 0
        else:
            without += 1
        if without == patience:
            rate, without = rate / 10, 0
        if rate < 1 / 500:
            break
    return found


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=60),
    st.integers(1, 6),
    st.sampled_from([30, 600, 10**6]),
)
def test_plateaus_are_those_of_the_definition(right, patience, images):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule, found = Plateau(optimizer, patience, images), []
    for accuracy in (count / 30 for count in right):
        if schedule.over:
            break
        found.append(optimizer.param_groups[0]["lr"])
        kept = schedule.state_dict()  # as at an interruption
        schedule = Plateau(optimizer, patience, images)
        schedule.load_state_dict(kept)
        schedule.step(accuracy)
    expected = plateaus_by_definition([count / 30 for count in right], patience, images)
    assert found == pytest.approx(expected, rel=1e-12)
    settings = {"batch_size": 1, "epochs": len(right), "schedule": "plateau", "patience": patience}
    assert len(found) >= certain_iterations(settings, images=1)


def test_no_training_ends_before_what_is_certain():
    schedule = Plateau(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), 4, 100)
    epochs = 0
    while not schedule.over:
        schedule.step(0.5)
        epochs += 1
    settings = {"batch_size": 2, "epochs": 99, "schedule": "plateau", "patience": 4}
    assert epochs * 5 == certain_iterations(settings, images=11)
