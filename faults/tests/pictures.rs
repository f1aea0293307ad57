// SPDX-License-Identifier: GPL-2.0

//! The picture: what is on it, at ten faults and at ten million.

#![cfg(feature = "figures")]

use abi::events::fault::class::{Backing, MappingClass};
use faults::fault::{FaultKind, Kind};
use faults::model::{Model, Planted};
use faults::picture::{figures, html};
use faults::view::map::{Band, Picture, Point, BANDS};
use faults::view::View;
use std::time::Instant;

/// What a view of the map would draw.
fn picture(model: &Model) -> Picture {
    struct Taken(faults::view::map::Map, Option<Picture>);
    impl View for Taken {
        fn fault(
            &mut self,
            seen: &faults::session::Seen<'_>,
            state: &trace::state::State,
            out: &mut dyn trace::table::Out,
        ) {
            self.0.fault(seen, state, out);
        }
        fn report(
            &mut self,
            known: &mut faults::session::Known<'_>,
            out: &mut dyn trace::table::Out,
        ) -> anyhow::Result<()> {
            self.1 = self.0.tell(known, out);
            Ok(())
        }
        fn restart(&mut self, _: &trace::state::State) {}
    }
    let mut session = model.session(Taken(faults::view::map::Map::new(), None));
    let mut out = trace::table::Writer::new(std::io::sink(), trace::table::Format::Text);
    session.report(&mut out).unwrap();
    session.view.1.expect("faults")
}

/// A program that fills memory, whose pages are evicted and come back, beside a library.
fn thrashing(rounds: u64) -> Model {
    let mut model = Model::new(1);
    model.sched.existing(100, 100, "thrash").snapshot();
    model.map(100, 1, 0x7f00_0000_0000, 4_096, "", MappingClass::of(Backing::Anonymous));
    model.map(100, 2, 0x7f10_0000_0000, 512, "/usr/lib/libthrash.so.1", MappingClass::of(Backing::File));
    let mut seed = 9_u64;
    for n in 0..rounds {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let page = (seed >> 33) % 4_096;
        let first = n < rounds / 3;
        let (kind, took) = if first { (FaultKind::FirstTouch, 900) } else { (FaultKind::SwapDisk, 90_000) };
        let address = 0x7f00_0000_0000 + if first { n * 4_096 * 3 / rounds } else { page } * 4096;
        model.sched.pass(took + 400);
        model.fault(0, &Planted { tid: 100, tgid: 100, address, kind, took, mapping: 1, ..Planted::default() });
        if n % 16 == 0 {
            let address = 0x7f10_0000_0000 + (n / 16 % 512) * 4096;
            let planted = Planted {
                tid: 100,
                tgid: 100,
                address,
                kind: FaultKind::FileMinor,
                mapping: 2,
                writes: false,
                ..Planted::default()
            };
            model.fault(0, &planted);
        }
    }
    model
}

/// Where a run leaves what it has drawn, to be looked at.
fn keep(name: &str, bytes: &[u8]) {
    std::fs::write(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), bytes).unwrap();
}

#[test]
fn the_picture_names_the_mappings_and_the_kinds() {
    let drawn = figures(&picture(&thrashing(3_000))).unwrap();
    keep("faults-map.svg", drawn.svg.as_bytes());
    keep("faults-map.png", &drawn.png);
    for text in
        ["libthrash.so.1", "[anon]", "2,000 swap-disk", "1,000 first-touch", "Time (s)", "Page faults of 100 thrash"]
    {
        assert!(drawn.svg.contains(text), "{text}");
    }
    assert!(drawn.svg.contains("data:image/png;base64,") && !drawn.svg.contains("NaN"));
    assert_eq!(drawn.png[..8], *b"\x89PNG\r\n\x1a\n");
}

#[test]
fn the_page_has_every_fault_and_reads_its_own_data() {
    let page = html(&picture(&thrashing(3_000))).unwrap();
    keep("faults-map.html", page.as_bytes());
    let json = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!((data["records"].as_u64(), data["exact"].as_bool()), (Some(3_188), Some(true)));
    // Four bytes a record, in base64.
    assert_eq!(data["time"].as_str().unwrap().len(), (3_188 * 4_usize).div_ceil(3) * 4);
    assert!(!page.contains("{{"), "a place that was not filled in");
}

#[test]
fn ten_million_faults_are_drawn_and_none_of_a_rare_kind_is_hidden() {
    let kinds = vec![Kind::ended(FaultKind::FirstTouch), Kind::ended(FaultKind::SwapDisk)];
    let bands: Vec<Band> = (0..BANDS as u64)
        .map(|n| Band {
            first: n << 24,
            last: (n << 24) + 99_999,
            name: format!("/lib/{n}"),
            faults: 416_666,
            touched: 100_000,
        })
        .collect();
    let points: Vec<Point> = (0..10_000_000_u64)
        .map(|n| {
            let page = ((n % BANDS as u64) << 24) + (n.wrapping_mul(2_654_435_761) >> 7) % 100_000;
            Point::of(n * 1_000, page, usize::from(n == 5_000_000), 500, 0)
        })
        .collect();
    let picture =
        Picture { pid: 1, comm: "many".into(), points, bands, kinds, codes: vec!["f".into()], others: (0, 0) };
    let began = Instant::now();
    let drawn = figures(&picture).unwrap();
    keep("faults-many.png", &drawn.png);
    let page = html(&picture).unwrap();
    keep("faults-many.html", page.as_bytes());
    println!(
        "10,000,000 faults: {:.1} s, PNG {} bytes, page {} bytes",
        began.elapsed().as_secs_f64(),
        drawn.png.len(),
        page.len()
    );
    assert!(drawn.svg.len() < 8 << 20 && page.len() < 8 << 20, "{} and {}", drawn.svg.len(), page.len());
    assert!(drawn.svg.contains("1 swap-disk"));
    let json = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(data["exact"].as_bool(), Some(false));
    let kind = data["kind"].as_str().unwrap();
    // One byte a record, nearly all 0: that of the rare kind is there.
    assert!(kind.chars().any(|c| c != 'A' && c != '='), "the rare kind is not in the page");
}
