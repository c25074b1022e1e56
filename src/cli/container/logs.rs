//! `rbuild logs`

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::io_error::AtPath;
use crate::base::{InvalidTime, point_in_time};
use crate::cli::container::each;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::{ContainerError, LogLine, Selection, Source};
use crate::engine::container::{LineDetails, LogListener, LogRequest, LogStream};

/// Show what a container printed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Go on until the container has ended
    #[arg(short, long)]
    follow: bool,
    /// Only what was printed since then
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Only what was printed until then
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Timestamp>,
    /// Only so many of the last lines, or `all`
    #[arg(short = 'n', long, value_name = "NUMBER", default_value = "all", allow_hyphen_values = true)]
    tail: String,
    /// Show the time of each line
    #[arg(short, long)]
    timestamps: bool,
    /// Show the attributes that the log was told to keep
    #[arg(long)]
    details: bool,
}

/// An empty text is no limit.
fn since(text: &str) -> Result<Timestamp, InvalidTime> {
    if text.is_empty() { Ok(Timestamp::MIN) } else { point_in_time(text) }
}

/// An empty text is no limit, and neither is the zero time.
fn until(text: &str) -> Result<Timestamp, InvalidTime> {
    let time = if text.is_empty() { Timestamp::MAX } else { point_in_time(text)? };
    Ok(if time == Timestamp::UNIX_EPOCH { Timestamp::MAX } else { time })
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    let entry = each::find(&containers, &args.container)?;
    let tail = match args.tail.as_str() {
        "all" => None,
        // Like docker, takes anything that is not a number, or is negative, for all.
        text => text.parse::<i64>().ok().and_then(|number| usize::try_from(number).ok()),
    };
    let selection = Selection { tail, since: args.since, until: args.until };
    let mut printer = Printer::new(&args)?;
    let stream = LogStream::open(containers, entry, LogRequest { selection, follow: args.follow })?;
    let done = stream.run(&mut printer).and_then(|()| Ok(printer.flush().at("write to", "standard output")?));
    match done {
        Err(ContainerError::Io(error)) if error.source.kind() == io::ErrorKind::BrokenPipe => {}
        done => done?,
    }
    Ok(ExitCode::SUCCESS)
}

struct Printer {
    stdout: BufWriter<File>,
    stderr: BufWriter<File>,
    details: LineDetails,
}

impl Printer {
    fn new(args: &Args) -> Result<Self, CliError> {
        Ok(Self {
            stdout: BufWriter::with_capacity(1 << 16, output::raw_stdout()?),
            stderr: BufWriter::new(output::raw_stderr()?),
            details: LineDetails { timestamps: args.timestamps, attributes: args.details },
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()?;
        self.stderr.flush()
    }
}

impl LogListener for Printer {
    fn line(&mut self, line: &LogLine<'_>) -> io::Result<()> {
        let (out, other) = match line.stream {
            Source::Stdout => (&mut self.stdout, &mut self.stderr),
            Source::Stderr => (&mut self.stderr, &mut self.stdout),
        };
        // If both go to the same place, lines stay in order.
        other.flush()?;
        out.write_all(self.details.of(line).as_bytes())?;
        out.write_all(line.log.as_bytes())
    }

    fn pause(&mut self, time: Duration) -> io::Result<bool> {
        self.flush()?;
        std::thread::sleep(time);
        Ok(true)
    }
}
