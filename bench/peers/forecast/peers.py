"""Forecasts of the next count by libraries of Python, one step after the other, and what a step takes.

Reads one JSON object: `counts`, `window` (counts that a batch method is fitted to), `scored` (places before which a
forecast is asked for) and `z` (the normal law's quantiles that are wanted). Writes one JSON object a line for each
forecaster: `name`, `seconds` a step, `means`, and `quantiles` where it tells how far it may be off.
"""

import json
import sys
import time
import warnings

import numpy as np
import river
import river.time_series
import statsforecast
import statsforecast.models as nixtla
import statsmodels
from statsmodels.tsa.holtwinters import SimpleExpSmoothing

warnings.filterwarnings("ignore")


def tell(name, seconds, means, quantiles=None):
    print(json.dumps({"name": name, "seconds": seconds, "means": means, "quantiles": quantiles}), flush=True)


def online(name, model, task):
    """One count in, one forecast out, over all counts."""
    scored, means = set(task["scored"]), []
    began = time.perf_counter()
    for at, count in enumerate(task["counts"]):
        if at >= task["window"]:
            mean = model.forecast(1)[0]
            if at in scored:
                means.append(mean)
        model.learn_one(count)
    tell(name, (time.perf_counter() - began) / len(task["counts"]), means)


def batch(name, forecast, task):
    """Fitted anew to the last counts before each step that is scored; the first fit, which compiles, is not timed."""
    counts = np.array(task["counts"], dtype=float)
    windows = [counts[at - task["window"] : at] for at in task["scored"]]
    forecast(windows[0])
    began = time.perf_counter()
    told = [forecast(window) for window in windows]
    seconds = (time.perf_counter() - began) / len(windows)
    means = [mean for mean, _ in told]
    scales = [scale for _, scale in told]
    quantiles = None
    if scales[0] is not None:
        quantiles = [[max(0.0, mean + z * scale) for z in task["z"]] for mean, scale in told]
    tell(name, seconds, means, quantiles)


def smoothing(window):
    fitted = SimpleExpSmoothing(window, initialization_method="estimated").fit()
    return float(fitted.forecast(1)[0]), float(np.sqrt(fitted.sse / len(window)))


def mean_of(model):
    return lambda window: (float(model.forecast(y=window, h=1)["mean"][0]), None)


def auto_ets(z):
    """With `z` of the level 0.9, which is the upper end of its 80 %."""

    def forecast(window):
        told = nixtla.AutoETS(season_length=1).forecast(y=window, h=1, level=[80])
        mean = float(told["mean"][0])
        return mean, (float(told["hi-80"][0]) - mean) / z

    return forecast


def main():
    task = json.load(sys.stdin)
    of_river, of_nixtla = f"river {river.__version__}", f"statsforecast {statsforecast.__version__}"
    online(f"{of_river}, HoltWinters", river.time_series.HoltWinters(alpha=0.1, beta=0.01), task)
    batch(f"{of_nixtla}, TSB", mean_of(nixtla.TSB(0.1, 0.1)), task)
    batch(f"{of_nixtla}, CrostonSBA", mean_of(nixtla.CrostonSBA()), task)
    batch(f"{of_nixtla}, AutoETS", auto_ets(task["z"][2]), task)
    batch(f"statsmodels {statsmodels.__version__}, SimpleExpSmoothing", smoothing, task)


main()
