//! Reads pages of Prometheus text.

/// The sum of every series of `name` whose labels, as they are written, fit; 0 where there is none.
pub(crate) fn sum(page: &str, name: &str, fits: impl Fn(&str) -> bool) -> f64 {
    series(page, name).filter(|(labels, _)| fits(labels)).map(|(_, value)| value).sum()
}

/// Labels, as they are written, and value of every series of `name`.
pub(crate) fn series<'a>(page: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    page.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let is_this = labels.is_empty() || labels.starts_with('{');
        is_this.then_some((labels, value.parse().ok()?))
    })
}
