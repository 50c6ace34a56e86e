"""Learning rates over the iterations, and the optimizers that use them."""

import numpy as np
import pytest
import torch

from dissection.training.schedules import make_optimizer, one_cycle, rate_factor, steps_down


def test_one_cycle_rises_then_falls():
    rates = [one_cycle(i, 200) for i in range(201)]
    top = int(np.argmax(rates))
    assert top == 30
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[-1] == pytest.approx(0)


def test_steps_of_the_paper():
    rates = [0.01 * steps_down(i, 100_000) for i in (0, 99_999, 100_000, 199_999, 299_999)]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001])


def test_settings_choose_the_schedule():
    assert rate_factor({}, 100)(15) == 1
    assert rate_factor({"schedule": "one_cycle"}, 0)(0) == 0.04
    assert rate_factor({"schedule": "step", "step_size": 10}, 100)(15) == pytest.approx(0.1)


def test_sgd_with_momentum_and_weight_decay():
    """v = m v + g + d w; w = w - r v, by hand."""
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    settings = {
        **{"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.01, "momentum": 0.5},
        **{"schedule": "step", "step_size": 1},
    }
    optimizer = make_optimizer([weight], settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_factor(settings, 2))
    w, v = 2.0, 0.0
    for rate in (0.1, 0.01):
        weight.grad = torch.tensor([3.0])
        optimizer.step()
        schedule.step()
        v = 0.5 * v + 3 + 0.01 * w
        w -= rate * v
        assert weight.item() == pytest.approx(w)


def test_adamw_is_the_default():
    optimizer = make_optimizer(
        [torch.nn.Parameter(torch.zeros(1))], {"learning_rate": 0.1, "weight_decay": 0.2}
    )
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.defaults["weight_decay"] == 0.2
