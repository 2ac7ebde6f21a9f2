//! Quantities of resources as Kubernetes writes them, and the sums and maxima of them.

use std::{collections::BTreeMap, str::FromStr};

/// A quantity in thousandths, which is as fine as Kubernetes counts what a node has. Never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(u128);

/// Resources by name, such as `cpu` or `nvidia.com/gpu`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources(BTreeMap<String, Quantity>);

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no quantity such as 500m, 2 or 16Gi")]
pub struct NoQuantity(String);

/// Suffixes, and how many thousandths one of them is: as a factor, or as a part.
const SUFFIXES: [(&str, u128, u128); 15] = [
    ("Ki", 1000 << 10, 1),
    ("Mi", 1000 << 20, 1),
    ("Gi", 1000 << 30, 1),
    ("Ti", 1000 << 40, 1),
    ("Pi", 1000 << 50, 1),
    ("Ei", 1000 << 60, 1),
    ("n", 1, 1_000_000),
    ("u", 1, 1_000),
    ("m", 1, 1),
    ("k", 1_000_000, 1),
    ("M", 1_000_000_000, 1),
    ("G", 1_000_000_000_000, 1),
    ("T", 1_000_000_000_000_000, 1),
    ("P", 1_000_000_000_000_000_000, 1),
    ("E", 1_000_000_000_000_000_000_000, 1),
];

/// More than any node has; sums of a few thousand of them fit.
const MOST: u128 = 1 << 100;

/// Digits after the point that are read, and what they are counted in.
const DIGITS: usize = 9;

impl FromStr for Quantity {
    type Err = NoQuantity;

    /// Reads a quantity; what is finer than a thousandth is rounded up.
    fn from_str(text: &str) -> Result<Self, NoQuantity> {
        let wrong = || NoQuantity(text.to_owned());
        let bare = text.strip_prefix('+').unwrap_or(text);
        let end = bare.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(bare.len());
        let (number, suffix) = bare.split_at(end);
        let (times, part) = if let Some(exponent) = suffix.strip_prefix(['e', 'E']).filter(|e| !e.is_empty())
        {
            power(exponent.parse().map_err(|_| wrong())?)
        } else if suffix.is_empty() {
            (1000, 1)
        } else {
            let known = SUFFIXES.iter().find(|(name, ..)| *name == suffix);
            known.map(|&(_, times, part)| (times, part)).ok_or_else(wrong)?
        };
        let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && rest.is_empty() || rest.contains('.') {
            return Err(wrong());
        }
        let digits = format!("{whole}{:0<DIGITS$}", &rest[..rest.len().min(DIGITS)]);
        let fine: u128 = digits.parse().map_err(|_| wrong())?;
        let all = fine.min(MOST).saturating_mul(times.min(MOST / 1000));
        Ok(Self(all.div_ceil(10_u128.pow(9)).div_ceil(part).min(MOST)))
    }
}

/// Thousandths in `10^exponent`, as a factor or a part.
fn power(exponent: i32) -> (u128, u128) {
    let exponent = exponent.saturating_add(3);
    let of = |power: i32| 10_u128.saturating_pow(power.unsigned_abs().min(30));
    if exponent >= 0 { (of(exponent), 1) } else { (1, of(exponent)) }
}

impl Quantity {
    /// As Kubernetes writes it: in binary units where `binary` and it is a whole number of them.
    pub fn text(self, binary: bool) -> String {
        let Self(thousandths) = self;
        if !thousandths.is_multiple_of(1000) {
            return format!("{thousandths}m");
        }
        let units = SUFFIXES[..6].iter().rev();
        let whole =
            |&&(_, size, _): &&(&str, u128, u128)| thousandths > 0 && thousandths.is_multiple_of(size);
        match units.into_iter().find(whole).filter(|_| binary) {
            Some((name, size, _)) => format!("{}{name}", thousandths / size),
            None => (thousandths / 1000).to_string(),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).min(MOST))
    }
}

impl Resources {
    /// Sets one.
    pub fn set(&mut self, name: &str, quantity: Quantity) {
        self.0.insert(name.to_owned(), quantity);
    }

    /// One of them, where it is there.
    pub fn get(&self, name: &str) -> Option<Quantity> {
        self.0.get(name).copied()
    }

    /// Adds others.
    pub fn add(&mut self, others: &Self) {
        for (name, quantity) in &others.0 {
            let mine = self.0.entry(name.clone()).or_default();
            *mine = mine.plus(*quantity);
        }
    }

    /// Raises each to what another has of it, where that is more.
    pub fn raise(&mut self, others: &Self) {
        for (name, quantity) in &others.0 {
            let mine = self.0.entry(name.clone()).or_default();
            *mine = (*mine).max(*quantity);
        }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Quantity)> {
        self.0.iter().map(|(name, quantity)| (name.as_str(), *quantity))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    fn text(of: &str, binary: bool) -> String {
        of.parse::<Quantity>().unwrap().text(binary)
    }

    #[test]
    fn it_is_read_as_kubernetes_does_and_rounded_up() {
        for (given, written) in [
            ("0", "0"),
            ("2", "2"),
            ("500m", "500m"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("1.5", "1500m"),
            ("1e3", "1000"),
            ("12E2", "1200"),
            ("15e-1", "1500m"),
            ("1k", "1000"),
            ("1E", "1000000000000000000"),
            ("100u", "1m"),
            ("1n", "1m"),
            ("0.0001", "1m"),
            ("+3", "3"),
            ("1001000n", "2m"),
            ("1.5Gi", "1610612736"),
        ] {
            assert_eq!(text(given, false), written, "{given}");
        }
        for (given, written) in [("1.5Gi", "1536Mi"), ("1024Mi", "1Gi"), ("1G", "1000000000"), ("0", "0")] {
            assert_eq!(text(given, true), written, "{given}");
        }
        for wrong in ["", "Gi", "-1", "1 Gi", "1.2.3", "1ki", "e3", "1e", "one", "."] {
            assert_eq!(wrong.parse::<Quantity>(), Err(NoQuantity(wrong.to_owned())), "{wrong}");
        }
    }

    #[test]
    fn of_sums_and_maxima_each_resource_is_its_own() {
        let of = |cpu: &str| Resources([("cpu".to_owned(), cpu.parse().unwrap())].into());
        let mut all = of("300m");
        all.add(&of("0.3"));
        all.raise(&Resources([("memory".to_owned(), "1Gi".parse().unwrap())].into()));
        all.raise(&of("500m"));
        let texts: Vec<_> = all.iter().map(|(name, quantity)| (name, quantity.text(true))).collect();
        assert_eq!(texts, [("cpu", "600m".to_owned()), ("memory", "1Gi".to_owned())]);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(thousandths in any::<u64>(), binary in any::<bool>()) {
            let quantity = Quantity(thousandths.into());
            prop_assert_eq!(quantity.text(binary).parse(), Ok(quantity));
        }

        #[test]
        fn any_text_can_be_read(text in "[0-9.eEmkKGi+-]{0,45}|\\PC{0,9}") {
            let _ = text.parse::<Quantity>();
        }
    }
}
