//! The negative binomial law of a count: the law of a Poisson count whose rate is itself uncertain.

/// Largest mean that is told apart; no queue is scaled on more, and every loop here stays short.
pub const LARGEST_MEAN: f64 = 1e5;

/// Largest size that is told apart from Poisson.
const LARGEST_SIZE: f64 = 1e6;

/// Levels above it are taken as this: no law ends.
const HIGHEST: f64 = 1.0 - 1e-9;

/// Terms that the plain recursion adds up at most; beyond, the incomplete beta function is cheaper.
const WALK: u32 = 256;

/// A count with mean `mu` and variance `mu + mu^2 / size`; `size` to infinity is Poisson.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NegativeBinomial {
    mean: f64,
    size: f64,
}

impl NegativeBinomial {
    /// A law by mean (clamped to 0 to 10^5) and size (clamped to 10^-4 to 10^6); what is no number counts as the
    /// smallest.
    pub fn new(mean: f64, size: f64) -> Self {
        // Not a number is above nothing, so it becomes the low end.
        let bounded = |value: f64, low: f64, high: f64| if value > low { value.min(high) } else { low };
        Self { mean: bounded(mean, 0.0, LARGEST_MEAN), size: bounded(size, 1e-4, LARGEST_SIZE) }
    }

    /// The mean.
    pub fn mean(self) -> f64 {
        self.mean
    }

    /// The size: the smaller, the more the counts scatter.
    pub fn size(self) -> f64 {
        self.size
    }

    /// The variance.
    pub fn variance(self) -> f64 {
        self.mean + self.mean * self.mean / self.size
    }

    /// `P(N >= k)`, to an absolute error of 10^-9.
    ///
    /// Up to 256 terms by the recursion `p(k+1) = p(k) (k + size) / (k + 1) q`, `q = mean / (size + mean)`;
    /// beyond as the regularised incomplete beta function `I_q(k, size)` (DLMF 8.17.5).
    pub fn at_least(self, k: u64) -> f64 {
        if k == 0 {
            return 1.0;
        }
        if self.mean <= 0.0 {
            return 0.0;
        }
        if k <= u64::from(WALK) && self.ln_none() > -600.0 {
            let mut below = 0.0;
            for (_, mass) in self.masses().take(usize::try_from(k).unwrap_or(usize::MAX)) {
                below += mass;
            }
            return (1.0 - below).max(0.0);
        }
        let whole = self.size + self.mean;
        incomplete_beta(k as f64, self.size, self.mean / whole, self.size / whole)
    }

    /// `P(N = k)`, to an absolute error of 10^-9.
    pub fn mass(self, k: u64) -> f64 {
        if self.mean <= 0.0 {
            return if k == 0 { 1.0 } else { 0.0 };
        }
        let (n, r) = (k as f64, self.size);
        let ways = ln_gamma(n + r) - ln_gamma(r) - ln_gamma(n + 1.0);
        (ways + self.ln_none() + n * (self.mean / (r + self.mean)).ln()).exp().min(1.0)
    }

    /// The smallest count `k` with `P(N <= k) >= level`; a level of 1 or more is taken as `1 - 10^-9`.
    pub fn quantile(self, level: f64) -> u64 {
        Mixture { usual: self, chance: 0.0, other: self }.quantiles([level], u64::MAX)[0]
    }

    /// Derivative of `ln P(N = k)` by `ln size`: how much more likely a larger size would have made `k`.
    pub fn score_of_ln_size(self, k: f64) -> f64 {
        let (mu, r) = (self.mean, self.size);
        let gained: f64 = if k <= 12.0 && k.fract() == 0.0 {
            let mut sum = 0.0;
            let mut at = 0.0;
            while at < k {
                sum += 1.0 / (r + at);
                at += 1.0;
            }
            sum
        } else {
            digamma(k + r) - digamma(r)
        };
        r * (gained - (mu / r).ln_1p() + (mu - k) / (r + mu))
    }

    /// `ln P(N = 0)`.
    fn ln_none(self) -> f64 {
        -self.size * (self.mean / self.size).ln_1p()
    }

    /// `(k, P(N = k))` for k = 0, 1, 2 and so on.
    fn masses(self) -> impl Iterator<Item = (u64, f64)> {
        let odds = self.mean / (self.size + self.mean);
        let mut mass = self.ln_none().exp();
        (0_u64..).map(move |k| {
            let here = mass;
            mass *= (k as f64 + self.size) / (k as f64 + 1.0) * odds;
            (k, here)
        })
    }
}

/// Two laws of which the second holds with some chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mixture {
    pub(super) usual: NegativeBinomial,
    pub(super) chance: f64,
    pub(super) other: NegativeBinomial,
}

impl Mixture {
    /// `P(N >= k)`.
    pub(super) fn at_least(&self, k: u64) -> f64 {
        let usual = self.usual.at_least(k);
        if self.chance > 0.0 { usual + self.chance * (self.other.at_least(k) - usual) } else { usual }
    }

    /// The smallest counts `k` with `P(N <= k) >= level`, for rising levels: one walk over the first 256 counts, and
    /// a search for what lies beyond. What is more than `most` is not sought: it is `most`.
    pub(super) fn quantiles<const N: usize>(&self, levels: [f64; N], most: u64) -> [u64; N] {
        let mut found = [most; N];
        let (mut at, mut below, mut least) = (0, 0.0, 0);
        let is_near = most <= u64::from(WALK) || self.usual.mean() < f64::from(WALK);
        if is_near && self.usual.ln_none() > -600.0 {
            least = u64::from(WALK);
            let walk = usize::try_from(most.min(least)).unwrap_or(WALK as usize);
            let other = self.other.masses();
            for ((k, usual), (_, other)) in self.usual.masses().zip(other).take(walk) {
                below += usual + self.chance * (other - usual);
                while at < N && below >= levels[at].min(HIGHEST) {
                    found[at] = k;
                    at += 1;
                }
                if at == N {
                    return found;
                }
            }
            if most <= least {
                return found;
            }
        }
        for (found, level) in found.iter_mut().zip(levels).skip(at) {
            *found = self.search(level.min(HIGHEST), least).min(most);
            least = *found;
        }
        found
    }

    /// The mean.
    pub(super) fn mean(&self) -> f64 {
        self.usual.mean() + self.chance * (self.other.mean() - self.usual.mean())
    }

    /// The variance.
    pub(super) fn variance(&self) -> f64 {
        let Self { usual, chance, other } = self;
        let apart = other.mean() - usual.mean();
        usual.variance()
            + chance * (other.variance() - usual.variance())
            + chance * (1.0 - chance) * apart * apart
    }

    /// The smallest count from `least` on that is enough for `level`: Newton's steps on the logarithm of the tail, which
    /// is nearly a line, and a bisection where one does not help. Cantelli's inequality says where it ends.
    fn search(&self, level: f64, least: u64) -> u64 {
        let farthest = self.mean() + (self.variance() * level / (1.0 - level)).sqrt();
        let (mut low, mut high) = (least, least.max(rounded(farthest).saturating_add(2)));
        let mut at = rounded(self.mean()).clamp(low, high);
        for round in 1..=u64::from(u8::MAX) {
            if low >= high {
                break;
            }
            let beyond = self.at_least(at.saturating_add(1));
            if 1.0 - beyond >= level {
                high = at;
            } else {
                low = at + 1;
            }
            let step = (beyond / (1.0 - level)).ln() * beyond / self.mass(at);
            let next = at as f64 + step;
            let halves = round.is_multiple_of(4) || !next.is_finite();
            at = if halves { low + (high - low) / 2 } else { rounded(next) };
            at = at.clamp(low, high.saturating_sub(1).max(low));
        }
        high
    }

    /// `P(N = k)`.
    fn mass(&self, k: u64) -> f64 {
        let usual = self.usual.mass(k);
        if self.chance > 0.0 { usual + self.chance * (self.other.mass(k) - usual) } else { usual }
    }
}

/// To the next whole number; 0 for what is negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn rounded(count: f64) -> u64 {
    count.round() as u64
}

/// `ln Gamma(x)` for positive x: Stirling's series (DLMF 5.11.1) above 8, the recurrence below; error under 10^-12
/// relative to the larger of 1 and the value.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 8.0 {
        product *= x;
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - product.ln()
}

/// The derivative of [`ln_gamma`] (DLMF 5.11.2).
fn digamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 0.0);
    while x < 8.0 {
        below += 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    x.ln() - 0.5 / x - square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0)) - below
}

/// `I_x(a, b)` with `y = 1 - x`, by its continued fraction (DLMF 8.17.22), evaluated forwards after Lentz.
fn incomplete_beta(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * y.ln();
    if x < (a + 1.0) / (a + b + 2.0) {
        (front.exp() * fraction(a, b, x) / a).clamp(0.0, 1.0)
    } else {
        (1.0 - front.exp() * fraction(b, a, y) / b).clamp(0.0, 1.0)
    }
}

#[expect(clippy::many_single_char_names, reason = "the names of the formula")]
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    // Some sqrt(max(a, b)) rounds are enough.
    for round in 1..10_000_u32 {
        let m = f64::from(round);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        let change = d * c;
        value *= change;
        if (change - 1.0).abs() < 1e-13 {
            break;
        }
    }
    value
}
