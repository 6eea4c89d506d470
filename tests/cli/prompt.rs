//! The prompt as a person sees it, in tmux: completion, several lines, Ctrl-C, the pager, sizes, paste, plots.

use crate::sandbox::Sandbox;
use crate::tmux::Tmux;
use crate::trail::{event, log_file};

/// Plain text on the screen, and no pager but the one of the test.
const PLAIN: &[(&str, &str)] = &[("NO_COLOR", "1")];

fn prompt_over_nothing(sandbox: &Sandbox) -> Tmux<'_> {
    let tmux = Tmux::start(sandbox, "sql", PLAIN);
    tmux.wait_for_prompt();
    tmux
}

/// A lake of events, one of which has a name that would clear the screen.
fn lake() -> Sandbox {
    let sandbox = Sandbox::new();
    let hostile = event(500).replace("\"Decrypt\"", "\"\\u001b[2J\\u202eDecryptEvil\"");
    let alias = event(501)
        .replace("\"Decrypt\"", "\"DescribeKey\"")
        .replace("{\"encryptionContext\":{\"n\":\"501\"}}", "{\"keyId\":\"alias/billing\"}");
    let records = (0..300).map(event).chain([hostile, alias]);
    sandbox.write("logs/a.json", log_file(records));
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(0));
    sandbox
}

fn prompt_over_lake<'a>(sandbox: &'a Sandbox, environment: &[(&str, &str)]) -> Tmux<'a> {
    let tmux = Tmux::start(sandbox, "sql --lake lake", environment);
    tmux.wait_for_prompt();
    tmux
}

#[test]
fn names_and_values_are_completed_from_the_lake() {
    let sandbox = lake();
    let tmux = prompt_over_lake(&sandbox, PLAIN);
    tmux.type_text("select use_c");
    tmux.complete_to("> select use_count");
    tmux.type_text(" from kms_key_usage_d");
    tmux.complete_to("from kms_key_usage_daily");
    tmux.press(&["C-c"]);
    tmux.wait_for_prompt();
    tmux.type_text("select count(*) from kms_events where event_name = 'dec");
    tmux.complete_to("event_name = 'Decrypt'");
    tmux.type_text(" and key_arn like '00000001-");
    tmux.complete_to("arn:aws:kms:eu-west-1:111122223333:key/00000001-0000-4000-8000-0000");
    tmux.press(&["C-c"]);
    tmux.wait_for_prompt();
    tmux.type_text(".key alias/b");
    tmux.complete_to(".key alias/billing");
    tmux.press(&["C-u"]);
    tmux.type_text("\\i logs/");
    tmux.complete_to("\\i logs/a.json");
}

#[test]
fn candidates_are_listed_and_none_steers_the_terminal() {
    let sandbox = lake();
    let tmux = prompt_over_lake(&sandbox, PLAIN);
    tmux.type_text("select 'D");
    tmux.complete_to("DescribeKey'");
    let screen =
        tmux.wait_until("the candidates", |screen| screen.contains("Decrypt'  ") || screen.contains("DescribeKey'"));
    assert!(screen.contains("Decrypt'") && !screen.contains("Evil"), "{screen}");
    tmux.press(&["C-c"]);
    tmux.wait_for("keytrail>");
    tmux.enter("select event_name from events where event_name like '%Evil';");
    tmux.wait_for("\\u{1b}[2J\\u{202e}DecryptEvil");
}

#[test]
fn a_statement_takes_several_lines_and_comes_back_from_the_history() {
    let sandbox = Sandbox::new();
    let tmux = prompt_over_nothing(&sandbox);
    tmux.enter("select 40");
    tmux.type_line("  + 2 as answer");
    tmux.type_line(";");
    tmux.wait_for("(1 row)");
    tmux.enter("select 'other' as x;");
    tmux.wait_until("two results", |screen| screen.matches("(1 row)").count() == 2);
    tmux.wait_for_prompt();
    tmux.press(&["C-r"]);
    tmux.type_text("answ");
    tmux.wait_for("(reverse-i-search)`answ'");
    tmux.press(&["Enter"]);
    tmux.wait_until("the result again", |screen| screen.matches("     42").count() == 2);
    let history = sandbox.read(".local/state/keytrail/history");
    assert!(history.contains("+ 2 as answer"), "{history}");
}

#[test]
fn a_command_inside_a_statement_is_run_and_the_statement_comes_back() {
    let sandbox = Sandbox::new();
    let tmux = prompt_over_nothing(&sandbox);
    tmux.wait_for("`keytrail sql --lake LAKE`, over logs with");
    tmux.enter("select 41");
    tmux.type_line("\\timing on");
    tmux.wait_for("time of statements: on");
    tmux.wait_until("the statement again", |screen| screen.matches("keytrail> select 41").count() == 2);
    tmux.type_line("+ 1 as answer \\gx");
    tmux.wait_for("answer | 42");
}

#[test]
fn misspelt_names_are_told_with_what_may_have_been_meant() {
    let sandbox = lake();
    let tmux = prompt_over_lake(&sandbox, PLAIN);
    for (line, told) in
        [("\\d kms_key_usge", "did you mean `kms_key_usage`?"), (".key alias/biling", "did you mean `alias/billing`?")]
    {
        tmux.enter(line);
        tmux.wait_for(told);
    }
}

#[test]
fn errors_are_told_in_the_words_of_the_prompt() {
    let sandbox = Sandbox::new();
    let tmux = prompt_over_nothing(&sandbox);
    for (index, line) in [".key alias/billing", "\\coverage", "\\examples 1"].into_iter().enumerate() {
        tmux.enter(line);
        tmux.wait_until(line, |screen| screen.matches("error: no lake is given").count() == index + 1);
    }
    tmux.enter("select * from nowhere;");
    tmux.wait_for("hint: `\\d` lists tables and views");
}

#[test]
fn secrets_do_not_get_into_the_history() {
    let sandbox = Sandbox::new();
    let tmux = prompt_over_nothing(&sandbox);
    tmux.enter("select 'AKIAIOSFODNN7EXAMPLE' as id;");
    tmux.wait_for("(1 row)");
    tmux.enter("\\set password hunter2");
    tmux.enter(" select 'hushed' as x;");
    tmux.wait_until("two results", |screen| screen.matches("(1 row)").count() == 2);
    tmux.enter("select 'kept' as x;");
    tmux.wait_until("three results", |screen| screen.matches("(1 row)").count() == 3);
    let history = sandbox.read(".local/state/keytrail/history");
    assert!(history.contains("kept") && !history.contains("hushed"), "{history}");
    assert!(!history.contains("AKIA") && !history.contains("hunter2"), "{history}");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs_err::metadata(sandbox.path(".local/state/keytrail/history")).expect("a file").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn hints_and_colour_come_as_one_types() {
    let sandbox = Sandbox::new();
    let tmux = Tmux::start(&sandbox, "sql", &[]);
    tmux.wait_for_prompt();
    tmux.enter("select 'hinted' as x;");
    tmux.wait_for("(1 row)");
    tmux.wait_for_prompt();
    tmux.type_text("select 'h");
    tmux.wait_until("the hint", |screen| screen.matches("select 'hinted' as x;").count() == 2);
    assert!(tmux.coloured_screen().contains("\u{1b}[34mselect"), "{:?}", tmux.coloured_screen());
    tmux.press(&["Right", "Enter"]);
    tmux.wait_until("the result again", |screen| screen.matches("(1 row)").count() == 2);
    tmux.wait_for_prompt();
    tmux.type_text("select");
    tmux.press(&["Enter"]);
    tmux.wait_for("`;` ends it");
    tmux.press(&["C-c"]);
    tmux.wait_for_prompt();
    // What failed is not offered again.
    tmux.enter("select 'x' as failed from nowhere;");
    tmux.wait_for("no such table or view");
    tmux.wait_for_prompt();
    tmux.type_text("select '");
    tmux.wait_until("an older hint", |screen| screen.lines().last() == Some("keytrail> select 'hinted' as x;"));
}

/// Counts for hours, and computes without a pause.
const ENDLESS: &str = "select count(*) from generate_series(1, 100000) a cross join generate_series(1, 100000) b cross join generate_series(1, 100000) c;";

#[test]
fn ctrl_c_cancels_and_a_second_one_leaves() {
    let sandbox = Sandbox::new();
    let tmux = prompt_over_nothing(&sandbox);
    tmux.enter(ENDLESS);
    tmux.wait_for("(Ctrl-C cancels)");
    tmux.press(&["C-c"]);
    tmux.wait_for("cancelled");
    let screen = tmux.wait_for_prompt();
    assert!(!screen.contains("(Ctrl-C cancels)"), "the line of progress stays:\n{screen}");
    tmux.enter("select 6 * 7 as answer;");
    tmux.wait_for("     42");
    tmux.wait_for_prompt();
    tmux.press(&["C-c"]);
    tmux.wait_for("Ctrl-C once more");
    tmux.press(&["C-c"]);
    assert_eq!(tmux.wait_for_end(), 130);
}

#[test]
fn a_second_ctrl_c_after_a_cancelled_statement_leaves() {
    let sandbox = Sandbox::new();
    let tmux = prompt_over_nothing(&sandbox);
    tmux.enter(ENDLESS);
    tmux.wait_for("(Ctrl-C cancels)");
    tmux.press(&["C-c"]);
    tmux.wait_for("cancelled");
    tmux.wait_for_prompt();
    tmux.press(&["C-c"]);
    assert_eq!(tmux.wait_for_end(), 130);
}

#[test]
fn text_longer_than_the_screen_is_paged() {
    let sandbox = Sandbox::new();
    let tmux = prompt_over_nothing(&sandbox);
    tmux.enter("select value as n from generate_series(1, 500);");
    tmux.wait_for("lines 1-23 of 502");
    tmux.type_text(" ");
    tmux.wait_for("lines 24-46 of 502");
    tmux.type_text("b");
    tmux.wait_for("lines 1-23 of 502");
    tmux.type_line("/ 321");
    tmux.wait_until("the line that was searched", |screen| {
        screen.lines().next().is_some_and(|line| line.trim() == "321")
    });
    tmux.resize(80, 12);
    // The page follows without a key.
    tmux.wait_until("a shorter page", |screen| {
        screen.lines().last().is_some_and(|line| line.starts_with("lines 323-333 of 502"))
    });
    tmux.type_text("G");
    tmux.wait_for("lines 492-502 of 502 (end)");
    // The last page is a full one, however it is reached.
    tmux.type_text("kkk ");
    tmux.wait_for("lines 492-502 of 502 (end)");
    tmux.type_text("q");
    let screen = tmux.wait_for_prompt();
    assert!(screen.contains("(500 rows)") && !screen.contains(" 499"), "{screen}");
    tmux.enter("select 1 as short;");
    tmux.wait_for("(1 row)");
}

#[test]
fn a_signal_in_the_pager_leaves_the_terminal_as_it_was() {
    let sandbox = Sandbox::new();
    let tmux = prompt_over_nothing(&sandbox);
    tmux.enter("select value as n from generate_series(1, 500);");
    tmux.wait_for("lines 1-23 of 502");
    tmux.terminate();
    assert_eq!(tmux.wait_for_end(), 143);
    let screen = tmux.screen();
    assert!(screen.contains("keytrail> select value") && !screen.contains("of 502"), "{screen}");
}

#[test]
fn the_environment_names_the_pager() {
    let sandbox = Sandbox::new();
    let pager = [("NO_COLOR", "1"), ("PAGER", "false"), ("KEYTRAIL_PAGER", "tail -n 1; echo paged")];
    let tmux = Tmux::start(&sandbox, "sql", &pager);
    tmux.wait_for_prompt();
    tmux.enter("select value as n from generate_series(1, 500);");
    let screen = tmux.wait_for("(500 rows)");
    assert!(screen.contains("paged") && screen.contains(" 500") && !screen.contains(" 499"), "{screen}");
}

#[test]
fn pages_of_commands_are_paged_as_results_are() {
    let sandbox = Sandbox::new();
    sandbox.run("keytrail demo --dir demo --events 6000").data();
    let lake = "--lake demo/lake";
    let tmux = Tmux::start(&sandbox, &format!("coverage --days {lake}"), &[("NO_COLOR", "1")]);
    tmux.wait_for("lines 1-23 of");
    tmux.press(&["q"]);
    assert_eq!(tmux.wait_for_end(), 3, "the demo's logs have holes");
    let shown = tmux.history();
    assert!(shown.starts_with("covered: ") && !shown.contains("recipient_account_id"), "{shown}");

    // Ctrl-C is the pager's.
    let pager = "trap \"\" INT; head -n 1; read key < /dev/tty; echo paged";
    let key = format!("key alias/legacy-billing-export {lake}");
    let tmux = Tmux::start(&sandbox, &key, &[("NO_COLOR", "1"), ("KEYTRAIL_PAGER", pager)]);
    tmux.wait_for("KMS key");
    tmux.press(&["C-c", "Enter"]);
    let screen = tmux.wait_for("paged");
    assert!(!screen.contains("Verdict"), "{screen}");
    assert!(matches!(tmux.wait_for_end(), 0 | 3), "{}", tmux.screen());

    let tmux = Tmux::start(&sandbox, &key, &[("NO_COLOR", "1"), ("PAGER", "cat")]);
    assert!(matches!(tmux.wait_for_end(), 0 | 3), "{}", tmux.screen());
    assert!(tmux.history().contains("\nVerdict"), "{}", tmux.history());
}

#[test]
fn a_dumb_terminal_gets_lines_and_nothing_else() {
    let sandbox = Sandbox::new();
    let tmux = Tmux::start(&sandbox, "sql", &[("TERM", "dumb")]);
    tmux.wait_for("keytrail>");
    tmux.enter("select value as n, null as x from generate_series(1, 60);");
    let screen = tmux.wait_for("(60 rows)");
    assert!(screen.contains("60 | NULL"), "{screen}");
    assert!(!tmux.coloured_screen().contains('\u{1b}'), "{:?}", tmux.coloured_screen());
    tmux.enter("\\q");
    assert_eq!(tmux.wait_for_end(), 0);
}

#[test]
fn rows_fit_the_terminal_or_are_shown_value_by_value() {
    let sandbox = Sandbox::new();
    let tmux = prompt_over_nothing(&sandbox);
    tmux.enter("select repeat('long ', 40) as text, 7 as n;");
    let screen = tmux.wait_for("are cut");
    assert!(screen.contains("…") && screen.contains("| 7"), "{screen}");
    tmux.enter(".last vertical");
    tmux.wait_for("n    | 7");
    tmux.press(&["C-l"]);
    let sql = "select repeat('a', 30) as one, repeat('b', 30) as two, repeat('c', 30) as three, null as four;";
    tmux.enter(sql);
    tmux.wait_for("three | ccc");
    tmux.resize(150, 24);
    tmux.press(&["C-l"]);
    tmux.enter(sql);
    tmux.wait_for("| NULL");
}

#[test]
fn many_rows_are_shown_in_part_and_all_on_demand() {
    let sandbox = Sandbox::new();
    let tmux = Tmux::start(&sandbox, "sql", &[("NO_COLOR", "1"), ("PAGER", "cat")]);
    tmux.wait_for_prompt();
    tmux.enter(".rows 10");
    tmux.wait_for("rows on the screen: 10");
    tmux.enter("select value as n from generate_series(1, 1500);");
    tmux.wait_for("(10 of 1,500 rows shown; `.last all` shows all)");
    tmux.enter(".last all");
    tmux.wait_for("(1,500 rows)");
    assert!(tmux.history().contains("\n 1499\n"));
    tmux.enter(".last json");
    tmux.wait_for("{\"n\":10}");
}

#[test]
fn all_of_the_last_result_is_what_was_shown_and_the_rest() {
    let sandbox = Sandbox::new();
    let tmux = Tmux::start(&sandbox, "sql", &[("NO_COLOR", "1"), ("PAGER", "cat")]);
    tmux.wait_for_prompt();
    tmux.enter(".rows 3");
    tmux.wait_for("rows on the screen: 3");
    tmux.enter("select 'id-' || uuid() as id from generate_series(1, 10);");
    tmux.wait_for("(3 of 10 rows shown; `.last all` shows all)");
    tmux.enter(".last all");
    tmux.wait_for("(10 rows)");
    let history = tmux.history();
    let ids: Vec<_> = history.lines().map(str::trim).filter(|line| line.starts_with("id-")).collect();
    assert_eq!(ids.len(), 13, "{history}");
    assert_eq!(ids[..3], ids[3..6], "{history}");
}

#[test]
fn two_hundred_lines_can_be_pasted() {
    let sandbox = Sandbox::new();
    let tmux = prompt_over_nothing(&sandbox);
    let mut text = String::from("select count(*) as pasted from (values\n");
    (0..198).for_each(|n| text.push_str(&format!("  ({n}, 'line {n}'),\n")));
    text.push_str("  (198, '\u{7}last'));");
    tmux.paste(&text);
    tmux.wait_for("last'));");
    tmux.press(&["Enter"]);
    let screen = tmux.wait_for("(1 row)");
    assert!(screen.contains("    199"), "{screen}");
    assert!(!sandbox.path(".local/state/keytrail/history").exists(), "a text that rings the bell is not remembered");
}

#[test]
fn a_year_of_use_fits_the_screen() {
    let sandbox = lake();
    let tmux = prompt_over_lake(&sandbox, PLAIN);
    tmux.enter("\\examples 6");
    tmux.wait_for("lines 1-");
    tmux.type_text("q");
    tmux.wait_for_prompt();
    tmux.press(&["C-l"]);
    tmux.enter(".plot");
    let screen = tmux.wait_for("one column is");
    assert!(screen.contains("use_event_count") && screen.contains("2026-11-16") && screen.contains('█'), "{screen}");
    tmux.enter("select 1 as a, 2 as b, 3 as c;");
    tmux.wait_for("(1 row)");
    tmux.enter(".plot");
    tmux.wait_for("cannot plot columns of these kinds: 3 numbers");
}

#[test]
fn views_and_help_are_taught_on_one_screen() {
    let sandbox = lake();
    let tmux = prompt_over_lake(&sandbox, PLAIN);
    tmux.press(&["C-l"]);
    tmux.enter(".help kms");
    let screen = tmux.wait_for("All commands: \\?");
    assert!(screen.starts_with("keytrail> .help kms\nIs a KMS key used?"), "{screen}");
    tmux.enter("\\d+ kms_key_usage");
    tmux.wait_for("lines 1-");
    tmux.type_text("G");
    tmux.wait_for("example: ");
    tmux.type_text("q");
    tmux.wait_for_prompt();
    tmux.enter(".key 00000001-0000-4000-8000-000000000000");
    tmux.wait_until("the page of the key", |screen| screen.contains("IN USE") || screen.contains("lines 1-"));
}

#[test]
fn timing_tells_where_the_time_went() {
    let sandbox = lake();
    let tmux = prompt_over_lake(&sandbox, PLAIN);
    tmux.enter("\\timing on");
    tmux.enter("select count(event_id) as n from events where event_month = '2026-02';");
    let screen = tmux.wait_for("pruned)");
    for part in ["time: ", "(planning ", "execution ", " read, "] {
        assert!(screen.replace('\n', "").contains(part), "{part}: {screen}");
    }
}

#[test]
fn the_time_over_logs_tells_their_files() {
    let sandbox = lake();
    let tmux = Tmux::start(&sandbox, "sql --raw logs", PLAIN);
    tmux.wait_for_prompt();
    tmux.enter("\\timing on");
    tmux.enter("select count(*) as n from events;");
    let screen = tmux.wait_for("pruned)");
    // The line may be broken anywhere.
    let letters: String = screen.split_whitespace().collect();
    assert!(letters.contains("1fileread,0pruned)"), "{screen}");
}

#[test]
fn the_editor_brings_the_statement_back_to_the_prompt() {
    let sandbox = Sandbox::new();
    sandbox.write("editor", "sed -i s/old/new/ \"$1\"\n");
    let tmux = Tmux::start(&sandbox, "sql", &[("NO_COLOR", "1"), ("EDITOR", "sh editor")]);
    tmux.wait_for_prompt();
    tmux.enter("select 'old' as x;");
    tmux.wait_for("(1 row)");
    tmux.enter("\\e");
    tmux.wait_for("> select 'new' as x;");
    tmux.press(&["Enter"]);
    tmux.wait_until("the new result", |screen| screen.matches("(1 row)").count() == 2);
}

#[test]
fn watching_repeats_until_ctrl_c() {
    let sandbox = lake();
    let tmux = prompt_over_lake(&sandbox, PLAIN);
    tmux.enter("select count(*) as n from events;");
    tmux.wait_for("(1 row)");
    tmux.enter("\\watch 0.1");
    tmux.wait_until("the result again and again", |screen| screen.matches("(1 row)").count() >= 3);
    tmux.press(&["C-c"]);
    tmux.wait_for("cancelled");
    tmux.wait_for_prompt();
}

#[test]
fn a_statement_typed_in_a_narrowed_window_stands_there_once() {
    let sandbox = Sandbox::new();
    let tmux = prompt_over_nothing(&sandbox);
    tmux.resize(50, 24);
    tmux.type_text("select 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 1 as b");
    let screen = tmux.wait_for("1 as b");
    assert_eq!(screen.matches("keytrail>").count(), 1, "{screen}");
    assert_eq!(screen.matches("select").count(), 1, "{screen}");
}
