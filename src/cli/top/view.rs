//! What the screen shows of a look: as much as there is room for, the most
//! important first.

use super::figures::{
    buckets, dropped, grouped, lasted, latency, latency_line, outcomes, per_second, readable,
    root_distance,
};
use super::past::Past;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, RenderDirection, Row, Sparkline, Table, Wrap};
use timeball::http::status::{Listener, Mode, Source, Status};

/// All that is shown.
pub(super) struct View {
    pub url: String,
    pub past: Past,
    /// The last look.
    pub status: Status,
    /// Why there is no newer one.
    pub lost: Option<String>,
}

/// A screen at least so wide has columns side by side.
const WIDE: u16 = 64;
/// And one so wide has three of them, and all columns of a table.
const WIDEST: u16 = 110;

/// Between two columns of a table.
const GAP: u16 = 2;

const QUIET: Style = Style::new().fg(Color::DarkGray);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const GOOD: Style = Style::new().fg(Color::Green);
const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const WARN: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);

/// What is left of the screen, from the top.
struct Room(Rect);

impl Room {
    /// So many lines, or as many as are left; none where that is nothing.
    fn take(&mut self, lines: usize) -> Option<Rect> {
        let lines = u16::try_from(lines).unwrap_or(u16::MAX).min(self.0.height);
        let [taken, left] =
            Layout::vertical([Constraint::Length(lines), Constraint::Fill(1)]).areas(self.0);
        self.0 = left;
        (taken.height > 0).then_some(taken)
    }

    /// So many lines below a free one, but only if all of them are left.
    fn take_whole(&mut self, lines: usize) -> Option<Rect> {
        if usize::from(self.0.height) <= lines {
            return None;
        }
        self.take(1)?;
        self.take(lines)
    }
}

/// Draws the look.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let area = frame.area();
    let mut room = Room(area);
    head(frame, view, &mut room);
    notices(frame, view, &mut room);
    sources(frame, view, &mut room);
    listeners(frame, view, &mut room);
    if area.height >= 20 {
        requests(frame, view, &mut room);
    }
    rest(frame, view, &mut room);
}

fn head(frame: &mut Frame<'_>, view: &View, room: &mut Room) {
    let status = &view.status;
    let mut states = Vec::new();
    if let Mode::Test = status.mode {
        states.extend([Span::styled("TEST TIME", WARN), Span::raw("  ")]);
    }
    states.push(match (&view.lost, status.readiness.ready) {
        (Some(_), _) => Span::styled("connection lost", BAD),
        (None, true) => Span::styled("ready", GOOD),
        (None, false) => Span::styled("NOT READY", BAD),
    });
    let states = Line::from(states);
    let mut about = Line::from(vec![
        Span::styled("timeball", BOLD),
        Span::raw(format!(" {}  {}  ", status.version, view.url)),
        Span::styled(format!("up {}  q ends", lasted(status.uptime_s)), QUIET),
    ]);
    if about.width() > usize::from(room.0.width) {
        about.spans.pop();
    }
    let is_one_line = about.width() + states.width() + 2 <= usize::from(room.0.width);
    if let Some(area) = room.take(1) {
        frame.render_widget(about, area);
        if is_one_line {
            frame.render_widget(states.alignment(Alignment::Right), area);
            return;
        }
    }
    if let Some(area) = room.take(1) {
        frame.render_widget(states, area);
    }
}

/// Why it is not ready, what else to look at, and why there is no newer look.
fn notices(frame: &mut Frame<'_>, view: &View, room: &mut Room) {
    let readiness = &view.status.readiness;
    let lost = view.lost.iter().map(|it| Line::styled(it.clone(), BAD));
    let reasons = readiness.reasons.iter();
    let reasons = reasons.map(|it| Line::styled(it.clone(), BAD));
    let hints = readiness.hints.iter();
    let hints = hints.map(|it| Line::styled(it.clone(), WARN));
    for line in lost.chain(reasons).chain(hints).take(4) {
        let width = usize::from(room.0.width).max(1);
        // Broken between words a line may take one more; three will do.
        let lines = (line.width().div_ceil(width) + usize::from(line.width() > width)).min(3);
        if let Some(area) = room.take(lines) {
            frame.render_widget(Paragraph::new(line).wrap(Wrap { trim: true }), area);
        }
    }
}

/// How wide a table is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spread {
    /// As wide as what it holds.
    Close,
    /// As wide as there is room for.
    Wide,
}

/// Draws a table below its heads. Columns are as wide as what they hold; where that
/// is too much, the first gives way.
fn table(
    frame: &mut Frame<'_>,
    area: Rect,
    heads: &[&str],
    rows: Vec<Vec<String>>,
    spread: Spread,
) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let cells = cells.map(|cell| Line::raw(cell.as_str()).width());
        let width = cells.max().unwrap_or(0).max(heads[column].chars().count());
        u16::try_from(width).unwrap_or(u16::MAX)
    };
    let others: Vec<u16> = (1..heads.len()).map(width).collect();
    let taken = others.iter().fold(0, |sum: u16, width| {
        sum.saturating_add(*width).saturating_add(GAP)
    });
    let left = area.width.saturating_sub(taken);
    let first = match spread {
        Spread::Close => width(0).min(left),
        Spread::Wide => left,
    };
    let widths = [first].into_iter().chain(others).map(Constraint::Length);
    let is_number = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        column > 0 && cells.all(|cell| cell.starts_with(|c: char| c.is_ascii_digit() || c == '–'))
    };
    let sides: Vec<Alignment> = (0..heads.len())
        .map(|column| match is_number(column) {
            true => Alignment::Right,
            false => Alignment::Left,
        })
        .collect();
    let line = |cells: Vec<String>| {
        let cells = cells.into_iter().zip(&sides);
        Row::new(cells.map(|(cell, side)| Line::raw(cell).alignment(*side)))
    };
    let heads = line(heads.iter().map(|head| (*head).to_owned()).collect()).style(QUIET);
    let rows: Vec<Row<'_>> = rows.into_iter().map(line).collect();
    let table = Table::new(rows, widths).header(heads).column_spacing(GAP);
    frame.render_widget(table, area);
}

/// The columns of the table of sources: a head, what it says of a source, and the
/// width of the screen from which on it is shown.
type SourceColumn = (&'static str, fn(&Source) -> String, u16);

const SOURCE_COLUMNS: [SourceColumn; 7] = [
    ("source", |it| it.name.clone(), 0),
    ("kind", |it| it.kind.clone(), WIDEST),
    ("time", source_time, 0),
    ("leap", |it| of(it, |it| it.leap_indicator.clone()), WIDE),
    ("stratum", |it| of(it, |it| it.stratum.to_string()), WIDE),
    ("distance", |it| of(it, root_distance), WIDE),
    (
        "reference",
        |it| of(it, |it| it.reference_id.clone()),
        WIDEST,
    ),
];

fn of(source: &Source, what: fn(&timeball::http::status::Reading) -> String) -> String {
    source.reading.as_ref().map(what).unwrap_or_default()
}

fn source_time(source: &Source) -> String {
    match (&source.reading, &source.error) {
        (Some(reading), _) => readable(&reading.time),
        (None, Some(error)) => format!("none: {error}"),
        (None, None) => "none".to_owned(),
    }
}

fn sources(frame: &mut Frame<'_>, view: &View, room: &mut Room) {
    let columns = SOURCE_COLUMNS.iter();
    let columns: Vec<_> = columns
        .filter(|(_, _, from)| room.0.width >= *from)
        .collect();
    let heads: Vec<&str> = columns.iter().map(|(head, _, _)| *head).collect();
    let rows = view.status.sources.iter();
    let rows: Vec<Vec<String>> = rows
        .map(|source| columns.iter().map(|(_, cell, _)| cell(source)).collect())
        .collect();
    room.take(1);
    if let Some(area) = room.take(1 + rows.len()) {
        table(frame, area, &heads, rows, Spread::Close);
    }
}

/// The same of listeners.
type ListenerColumn = (&'static str, fn(&View, &Listener) -> String, u16);

const LISTENER_COLUMNS: [ListenerColumn; 7] = [
    (
        "listener",
        |_, it| format!("{} {}", it.protocol, it.address),
        0,
    ),
    ("source", |_, it| it.source.clone(), WIDEST),
    ("per s", |view, it| per_second(view.past.of_listener(it)), 0),
    ("received", |_, it| grouped(it.received), WIDE),
    ("replied", |_, it| grouped(it.replied), WIDE),
    ("dropped", |_, it| grouped(dropped(it)), WIDE),
    ("kernel drops", |_, it| grouped(it.kernel_drops), WIDEST),
];

fn listeners(frame: &mut Frame<'_>, view: &View, room: &mut Room) {
    let columns = LISTENER_COLUMNS.iter();
    let columns: Vec<_> = columns
        .filter(|(_, _, from)| room.0.width >= *from)
        .collect();
    let heads: Vec<&str> = columns.iter().map(|(head, _, _)| *head).collect();
    let rows = view.status.listeners.iter();
    let rows: Vec<Vec<String>> = rows
        .map(|it| columns.iter().map(|(_, cell, _)| cell(view, it)).collect())
        .collect();
    room.take(1);
    if let Some(area) = room.take(1 + rows.len()) {
        table(frame, area, &heads, rows, Spread::Close);
    }
}

/// Requests a second: by protocol as figures, all of them over time.
fn requests(frame: &mut Frame<'_>, view: &View, room: &mut Room) {
    let height = if room.0.height >= 30 { 6 } else { 2 };
    let Some(area) = room.take_whole(1 + height) else {
        return;
    };
    let [line, chart] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let mut protocols: Vec<&str> = Vec::new();
    for it in &view.status.listeners {
        if !protocols.contains(&it.protocol.as_str()) {
            protocols.push(&it.protocol);
        }
    }
    let all = view.past.of_all();
    let mut text = vec![Span::styled("requests per s", QUIET)];
    for protocol in protocols {
        let rate = per_second(view.past.of_protocol(protocol));
        text.push(Span::raw(format!("  {protocol} {rate}")));
    }
    if let Some(most) = all.iter().max() {
        text.push(Span::styled(format!("  most {}", grouped(*most)), QUIET));
    }
    frame.render_widget(Line::from(text), line);
    // The newest stands at the right.
    let newest_first = all.into_iter().rev();
    let sparkline = Sparkline::default()
        .data(newest_first)
        .direction(RenderDirection::RightToLeft)
        .style(Style::new().fg(Color::Blue));
    frame.render_widget(sparkline, chart);
}

/// Outcomes, latency and clients: side by side, or one below the other.
fn rest(frame: &mut Frame<'_>, view: &View, room: &mut Room) {
    let width = room.0.width;
    if room.0.height < 3 {
        return;
    }
    room.take(1);
    let count = match width {
        WIDEST.. => 3,
        WIDE.. => 2,
        _ => 1,
    };
    let columns = Layout::horizontal(vec![Constraint::Fill(1); count]).spacing(3);
    let columns = columns.split(room.0);
    let mut rooms: Vec<Room> = columns.iter().map(|area| Room(*area)).collect();
    let parts: [fn(&mut Frame<'_>, &Status, &mut Room); 3] =
        [outcome_part, latency_part, client_part];
    for (index, part) in parts.iter().enumerate() {
        let room = &mut rooms[index.min(count - 1)];
        if index >= count {
            room.take(1);
        }
        part(frame, &view.status, room);
    }
}

fn outcome_part(frame: &mut Frame<'_>, status: &Status, room: &mut Room) {
    counts(frame, room, ["outcome", "since start"], outcomes(status));
}

fn latency_part(frame: &mut Frame<'_>, status: &Status, room: &mut Room) {
    let Some(latency) = latency(status) else {
        return;
    };
    if let Some(area) = room.take(1) {
        frame.render_widget(Line::styled("latency inside the server", QUIET), area);
    }
    if let Some(area) = room.take(1) {
        frame.render_widget(Line::raw(latency_line(&latency)), area);
    }
    let buckets = buckets(&latency);
    let most = buckets.iter().map(|(_, count)| *count).max().unwrap_or(1);
    for (bound, count) in buckets {
        let Some(area) = room.take(1) else {
            return;
        };
        let columns = [
            Constraint::Length(8),
            Constraint::Fill(1),
            Constraint::Length(14),
        ];
        let [left, middle, right] = Layout::horizontal(columns).spacing(1).areas(area);
        frame.render_widget(Line::raw(bound).alignment(Alignment::Right), left);
        let len = count as f64 / most.max(1) as f64 * f64::from(middle.width);
        let bar = "█".repeat(len.round() as usize);
        frame.render_widget(Line::styled(bar, Style::new().fg(Color::Blue)), middle);
        frame.render_widget(Line::raw(grouped(count)).alignment(Alignment::Right), right);
    }
}

fn client_part(frame: &mut Frame<'_>, status: &Status, room: &mut Room) {
    if status.top_clients.is_empty() {
        return;
    }
    let clients = status.top_clients.iter();
    let clients = clients.map(|it| (it.client.to_string(), it.requests));
    counts(
        frame,
        room,
        ["top client", "requests, about"],
        clients.collect(),
    );
}

fn counts(frame: &mut Frame<'_>, room: &mut Room, heads: [&str; 2], all: Vec<(String, u64)>) {
    let rows = all
        .into_iter()
        .map(|(name, count)| vec![name, grouped(count)]);
    let rows: Vec<Vec<String>> = rows.collect();
    if let Some(area) = room.take(1 + rows.len()) {
        table(frame, area, &heads, rows, Spread::Wide);
    }
}

#[cfg(test)]
mod tests;
