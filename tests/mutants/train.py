"""Planted faults of training: estimators, quantizers, schedules, losses.

Stands on kinds.
"""

from .kinds import Mutant, of_room

R = "hwflow/train/"
T_EST, T_QUANT, T_LOSS, T_LOOP = (
    f"tests/train/test_{name}.py" for name in ("estimators", "quantizers", "losses", "loop")
)

# fmt: off
MUTANTS = of_room(
    "train",
    Mutant(R + "estimators.py", "return (x.abs() <= 1).to(x.dtype)", "return (x.abs() < 1).to(x.dtype)", T_EST + " -k 'formula or multiplies'"),
    Mutant(R + "estimators.py", "x.abs().mul_(-2).add_(2).clamp_(min=0)", "x.abs().mul_(-2).add_(2)", T_EST + " -k 'formula or multiplies'"),
    Mutant(R + "estimators.py", "(2 - 4 * a).clamp_(min=0.4)", "(2 - 4 * a).clamp_(min=0.2)", T_EST + " -k 'formula or multiplies'"),
    Mutant(R + "estimators.py", "return self.slope(x).mul_(grad).mul_(scale)", "return self.slope(x).mul_(grad)", T_EST + " -k 'multiplies'"),
    Mutant(R + "estimators.py", "return within(x, grad).mul_(scale)", "return within(x, grad)", T_EST + " -k 'multiplies'"),
    Mutant(R + "estimators.py", ".mul_(scale * (4 * at_zero(self.sharp)))", ".mul_(4 * at_zero(self.sharp))", T_EST + " -k 'multiplies or ede'"),
    Mutant(R + "estimators.py", "else max(t, 1.0)", "else t", T_EST + " -k 'ede'"),
    Mutant(R + "estimators.py", "self.t_min * (self.t_max / self.t_min) ** progress", "self.t_min + (self.t_max - self.t_min) * progress", T_EST + " -k 'ede'"),
    Mutant(R + "estimators.py", "for share in (self.epsilon, 1 - self.epsilon)]", "for share in (1 - self.epsilon, self.epsilon)]", T_EST + " -k 'dte'"),
    Mutant(R + "estimators.py", "old + self.BLEND * (q - old)", "q", T_EST + " -k 'blends'"),
    Mutant(R + "estimators.py", "torch.copysign(scale, x + 0.0)", "torch.copysign(scale, x)", T_EST + " -k 'plus_one_at_zero'"),
    Mutant(R + "estimators.py", "return within(x, self.curve(x)) if self.bounded else self.curve(x)", "return self.curve(x)", T_EST + " -k 'multiplies or formula'"),
    Mutant(R + "quantizers.py", "mean, 1).log2().round()", "mean, 1).log2().floor()", T_QUANT + " -k 'imb or gaussian or powers_of_two'"),
    Mutant(R + "quantizers.py", "_beyond((hi + 0.5) * step)", "_beyond(hi * step)", T_QUANT + " -k 'saturates'"),
    Mutant(R + "quantizers.py", "n.floor_() if down else n.round_()", "n.floor_()", T_QUANT + " -k 'saturates'"),
    Mutant(R + "quantizers.py", "- 1)).log2().ceil()", "- 1)).log2().round()", T_QUANT + " -k 'least_power'"),
    Mutant(R + "quantizers.py", "2.0 ** (1 - method.act_bits)", "2.0 ** -method.act_bits", T_QUANT + " -k 'cover_minus_one'"),
    Mutant(R + "views.py", "(0.01 * torch.sigmoid(self.alpha) * mean)", "(0.02 * torch.sigmoid(self.alpha) * mean)", T_QUANT + " -k 'wsd'"),
    Mutant(R + "views.py", "math.log(2 - 2 * self.tau)", "math.log(2 - self.tau)", T_QUANT + " -k 'recu'"),
    Mutant(R + "views.py", "return w.abs().flatten(1).mean(1)", "return w.abs().mean().expand(len(w))", T_QUANT + " -k 'xnor'"),
    Mutant(R + "views.py", "div_(math.sqrt(w.shape[1] - 1))", "div_(math.sqrt(w.shape[1]))", T_QUANT + " -k 'standardises'"),
    Mutant(R + "schedule.py", "int(0.3 * steps)", "int(0.5 * steps)", T_LOOP + " -k rates"),
    Mutant(R + "schedule.py", "return training.lr * (step + 1) / rise", "return training.lr * step / rise", T_LOOP + " -k rates"),
    Mutant(R + "losses.py", "return t * t * F.kl_div(", "return t * F.kl_div(", T_LOSS + " -k 'soft_labels'"),
    Mutant(R + "losses.py", "return a > share * a.mean((1, 2, 3), keepdim=True)", "return a > share * a.mean()", T_LOSS + " -k erased"),
    Mutant(R + "losses.py", "(_unit(b.clamp(-1, 1)) - ", "(_unit(b) - ", T_LOSS + " -k 'rbd'"),
)
