//! Each kind of fault befalls some cameras every few minutes, and all of them drop twice: memory must level off, no camera may be
//! stuck, and what goes wrong must be seen as a state.

use std::{fs, path::Path, time::Instant};

use crate::{
    Plan,
    city::{City, Setup},
    judge::{Length, Seen},
    seconds, setup,
};

/// Says what was wrong, if anything.
pub(crate) fn soak(plan: &Plan, folder: &Path) -> Vec<String> {
    let lasts = if plan.quick { 40 } else { plan.seconds.max(1800) };
    let kinds = [
        "\"stall\"",
        "\"refuse\"",
        "\"hang\"",
        "\"reset\"",
        "\"wrong_password\"",
        "\"corrupt_keyframes\"",
        "\"jumping_timestamps\"",
        "{ slow_network = { kbit_s = 100 } }",
    ];
    let mut text = String::new();
    let (lap, on) = if plan.quick { (15, 6) } else { (210, 60) };
    for (n, kind) in kinds.iter().enumerate() {
        let at = 10 + n as u64 * lap / kinds.len() as u64;
        text += &format!(
            "[[fault]]\nkind = {kind}\none_in = {}\nat = \"{at}s\"\nfor = \"{on}s\"\nevery = \"{lap}s\"\n",
            7 + n
        );
    }
    text += &format!(
        "[[fault]]\nkind = \"drop\"\nat = \"{}s\"\nfor = \"{}s\"\nevery = \"{}s\"\n",
        lasts / 3,
        on / 2,
        lasts / 3
    );
    let script = folder.join("soak.toml");
    fs::write(&script, text).unwrap();
    let simulator = vec!["--faults".to_owned(), script.to_str().unwrap().to_owned()];
    // A silence must be noticed before it is over.
    let ingest = if plan.quick { "stall_timeout = \"2s\"" } else { "" };
    let city = City::start(&Setup { simulator, ingest, ..setup(plan.cameras, seconds(10)) }, folder);
    std::thread::sleep(seconds(if plan.quick { 10 } else { plan.warm_up }));
    let before = city.sample();
    let mut seen = Seen { least_streaming: plan.cameras, ..Seen::default() };
    println!("| minute | streaming | longest offline | memory |\n|---|---|---|---|");
    let (began, each) = (Instant::now(), seconds(if plan.quick { 10 } else { 60 }));
    while began.elapsed() < seconds(lasts) {
        let (offline, rss_kb) = (city.longest_offline().unwrap_or_default().as_secs_f64(), city.sample().rss_kb);
        println!(
            "| {:.1} | {} | {offline:.0} s | {:.0} MB |",
            began.elapsed().as_secs_f64() / 60.0,
            city.streaming(),
            rss_kb / 1e3
        );
        seen.rss_kb.push(rss_kb);
        seen.longest_offline = seen.longest_offline.max(offline);
        let unseen = city.longest_unseen().unwrap_or_default().as_secs_f64();
        seen.longest_unseen = seen.longest_unseen.max(unseen);
        // All drop for seconds only.
        let turn = Instant::now();
        while turn.elapsed() < each {
            let streaming = city.streaming();
            seen.least_streaming = seen.least_streaming.min(streaming);
            seen.most_streaming = seen.most_streaming.max(streaming);
            std::thread::sleep(seconds(1) / 2);
        }
    }
    let after = city.sample();
    seen.rss_kb.push(after.rss_kb);
    seen.failed = after.by_label(&before, "gridwatch_camera_errors_total");
    seen.failed_looks = after.by_label(&before, "gridwatch_looks_failed_total");
    println!("\n| what | reached |\n|---|---|");
    println!("| memory at the start and at the end | {:.0} MB, {:.0} MB |", before.rss_kb / 1e3, after.rss_kb / 1e3);
    let (least, most) = (seen.least_streaming, seen.most_streaming);
    println!("| the fewest and the most that streamed | {least} and {most} of {} |", plan.cameras);
    println!("| connections that failed, by reason | {:?} |", seen.failed);
    println!("| looks that failed, by reason | {:?} |", seen.failed_looks);
    println!("| looks a second | {:.1} |", after.grew(&before, "gridwatch_looks_total") / after.seconds_since(&before));
    println!("| log lines | {} |", city.log_lines());
    let faults = seen.faults(plan.cameras, on, if plan.quick { Length::Short } else { Length::Long });
    println!("| what is wrong | {} |", if faults.is_empty() { "nothing".to_owned() } else { faults.join("; ") });
    faults
}
