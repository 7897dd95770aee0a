//! What the clocks show over time, as a picture.

use super::scenario;
use timeball::api::Delta;
use timeball::play::plot::svg;

/// The points of the curves in a picture.
fn curves(svg: &str) -> Vec<Vec<(f64, f64)>> {
    let polylines = svg.split("<polyline").skip(1);
    polylines
        .map(|polyline| {
            let points = polyline.split("points=\"").nth(1).expect("it has points");
            let points = points.split('"').next().expect("they end");
            let number = |text: &str| text.parse::<f64>().expect("a number");
            points
                .split_whitespace()
                .map(|point| point.split_once(',').expect("two numbers"))
                .map(|(x, y)| (number(x), number(y)))
                .collect()
        })
        .collect()
}

/// How often a curve jumps by more than a tenth of the picture, up or down.
fn jumps(curve: &[(f64, f64)]) -> (usize, usize) {
    let steps = curve.windows(2).map(|two| two[1].1 - two[0].1);
    // The y axis of a picture points down.
    let up = steps.clone().filter(|step| *step < -30.0).count();
    (up, steps.filter(|step| *step > 30.0).count())
}

#[test]
fn steps_are_drawn_where_they_are_and_named() {
    let picture = svg(
        &scenario(
            "time.start = '2030-01-01T00:00:00Z'\n\
             [[clock.events]]\nname = 'ahead & <up>'\nelapsed = '10s'\nstep = '2s'\n\
             [[clock.events]]\nat = '2030-01-01T00:00:30Z'\nstep = '-3s'\n",
        ),
        None,
    );
    let curves = curves(&picture);
    assert_eq!(curves.len(), 1);
    assert_eq!(jumps(&curves[0]), (1, 1));
    assert!(picture.contains("ahead &amp; &lt;up&gt;"));
    assert!(picture.contains("offset in s"));
    assert!(picture.ends_with("</svg>\n"));
}

#[test]
fn a_leap_second_is_a_step_back_and_a_smear_is_none() {
    let leap = svg(
        &scenario(
            "time.start = '2016-12-31T23:59:50Z'\n\
         [[clock.events]]\nleap = { kind = 'insert', at = '2017-01-01T00:00:00Z' }",
        ),
        None,
    );
    assert_eq!(jumps(&curves(&leap)[0]), (0, 1));
    let smear = svg(
        &scenario(
            "time.start = '2016-12-31T11:00:00Z'\n\
         [[clock.events]]\nsmear = { kind = 'insert', at = '2017-01-01T00:00:00Z' }",
        ),
        None,
    );
    let smear = &curves(&smear)[0];
    assert_eq!(jumps(smear), (0, 0));
    let (first, last) = (smear[0].1, smear[smear.len() - 1].1);
    assert!(last - first > 200.0, "it ends a second behind");
}

#[test]
fn each_clock_has_a_curve_and_shared_ones_have_one() {
    let picture = svg(
        &scenario(
            "endpoints = [{ name = 'a' }, { name = 'b' }, \
             { name = 'liar', clock = { events = [{ step = '1h' }] } }]",
        ),
        Some(Delta::from_seconds(10)),
    );
    assert_eq!(curves(&picture).len(), 2);
    assert!(picture.contains("a, b") && picture.contains("liar"));
}

#[test]
fn events_by_request_are_drawn_where_requests_move_time() {
    let picture = svg(
        &scenario("time.base = 'per-request'\n[[clock.events]]\nrequest = 31\nstep = '5s'"),
        None,
    );
    let curve = &curves(&picture)[0];
    assert_eq!(jumps(curve), (1, 0));
    let before = curve.iter().take_while(|point| point.1 > 300.0).count();
    assert_eq!(before, 2 * 30, "thirty requests saw the time before it");
}

#[test]
fn offsets_of_any_size_have_axes() {
    for step in ["1ns", "20us", "3ms", "-1s", "19h", "1024w"] {
        let text = format!("[[clock.events]]\nelapsed = '5s'\nstep = '{step}'");
        let picture = svg(&scenario(&text), None);
        let labels = picture.matches("<text").count();
        assert!((8..40).contains(&labels), "{step}: {labels} labels");
    }
}
