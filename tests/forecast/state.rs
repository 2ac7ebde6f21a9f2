//! What is kept over restarts.

use foresail::forecast::{
    Forecast,
    arrivals::Seen,
    horizons::Horizons,
    service::Prior,
    state::{BadState, STATE_VERSION, State},
};
use serde_json::Value;

fn learned() -> Forecast {
    let mut forecast = Forecast::new(Horizons::default());
    for second in 0..200_000_u32 {
        let n = if second % 7_200 < 20 { 4 } else { 0 };
        forecast.observe(f64::from(second), Seen::Arrivals(n), 0);
        if second % 500 == 0 {
            forecast.service_mut().ended(f64::from(second % 997));
        }
    }
    forecast.service_mut().renew(&Prior::default());
    // Those that nobody has asked for are not kept.
    forecast.take_outcomes();
    forecast
}

#[test]
fn a_state_comes_back_as_it_was() {
    let forecast = learned();
    let kept = serde_json::to_string(&State::of(&forecast)).unwrap();
    let back = serde_json::from_str::<State>(&kept).unwrap().restore(&Prior::default()).unwrap();
    assert_eq!(back, forecast);
    assert_eq!(back.at(77.0), forecast.at(77.0));
    assert!(kept.len() < 16_384, "{} bytes of JSON", kept.len());
    assert!(size_of::<Forecast>() <= 5_000, "{} bytes", size_of::<Forecast>());
}

#[test]
fn another_version_and_what_cannot_have_been_learned_are_refused() {
    let kept = serde_json::to_value(State::of(&learned())).unwrap();
    let restore = |kept: Value| serde_json::from_value::<State>(kept).unwrap().restore(&Prior::default());
    let mut other = kept.clone();
    other["version"] = (STATE_VERSION + 1).into();
    assert_eq!(restore(other), Err(BadState::Version(STATE_VERSION + 1)));
    let mut unsound = kept.clone();
    unsound["forecast"]["arrivals"]["horizons"][0]["seconds"] = (-5.0).into();
    assert_eq!(restore(unsound), Err(BadState::Unsound));
    let mut unsound = kept;
    unsound["forecast"]["arrivals"]["horizons"][1]["weights"]["exposure"][3] = 0.into();
    assert_eq!(restore(unsound), Err(BadState::Unsound));
}
