//! The `gridwatch` program.

use std::{process::ExitCode, time::Duration};

use clap::Parser as _;
use gridwatch::{
    cli::{
        CamerasCommand, Cli, Command, DutyCommand, GridCommand, LabelsCommand, ModelsCommand, SensorsCommand,
        TicketsCommand,
    },
    commands::{self, check::Reach, platform::Unmet},
    logging,
};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gridwatch: {error:#}");
            if error.is::<Stopped>() {
                return ExitCode::from(STOPPED);
            }
            error.downcast_ref::<Unmet>().map_or(ExitCode::FAILURE, |unmet| ExitCode::from(unmet.exit_status()))
        }
    }
}

/// The exit status of a program that was stopped before it had done its work, as shells have it.
const STOPPED: u8 = 130;

/// It was stopped before it had done its work.
#[derive(Debug, thiserror::Error)]
#[error("stopped before the end")]
struct Stopped;

fn start(cli: Cli) -> anyhow::Result<()> {
    let format = if cli.log_json { logging::Format::Json } else { logging::Format::Text };
    logging::start(&cli.log, format)?;
    // Two of our libraries bring a TLS provider each; rustls wants to be told which one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(dispatch(cli.command));
    // A thread that hangs (a decoder, a disk) has been told of already; it does not keep the program from ending.
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}

async fn dispatch(command: Command) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    let mut signals = tokio::task::JoinSet::new();
    signals.spawn(cancel_on_signal(cancel.clone())?);
    match command {
        Command::Demo(arguments) => commands::demo::run(arguments, cancel).await,
        Command::Run { config } => commands::run::run(&config.path, cancel).await,
        Command::Simulate(arguments) => commands::simulate::run(arguments, cancel).await,
        Command::Platform(arguments) => commands::platform::run(arguments, cancel).await,
        once => cancel.run_until_cancelled(Box::pin(run_once(once))).await.unwrap_or_else(|| Err(Stopped.into())),
    }
}

/// Runs a command that ends by itself and has nothing to drain.
async fn run_once(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(_) | Command::Run { .. } | Command::Simulate(_) | Command::Platform(_) => {
            unreachable!("they run until they are stopped")
        }
        Command::Check { config, offline, timeout } => {
            let reach = if offline { Reach::Offline } else { Reach::Online };
            commands::check::run(&config.path, reach, timeout).await
        }
        Command::Probe(arguments) => commands::probe::run(arguments).await,
        Command::Cameras(CamerasCommand::Import { import, into, format }) => {
            commands::cameras::run_import(&import.config.path, &import.file, into.as_deref(), import.write(), format)
        }
        Command::Cameras(CamerasCommand::Probe(arguments)) => commands::cameras::run_probe(arguments).await,
        Command::Cameras(CamerasCommand::Reload { config }) => commands::cameras::run_reload(&config.path).await,
        Command::Cameras(CamerasCommand::Reference { config, id }) => {
            commands::cameras::run_reference(&config.path, &id).await
        }
        Command::Cameras(CamerasCommand::List { config }) => commands::cameras::run_list(&config.path),
        Command::Sensors(SensorsCommand::Import { import, into }) => {
            commands::sensors::run_import(&import.config.path, &import.file, into.as_deref(), import.write())
        }
        Command::Sensors(SensorsCommand::List { config }) => commands::sensors::run_list(&config.path).await,
        Command::Duty(DutyCommand::Import(import)) => {
            commands::duty::run_import(&import.config.path, &import.file, import.write()).await
        }
        Command::Duty(DutyCommand::History { config, item, json }) => {
            commands::duty::run_history(&config.path, &item, json).await
        }
        Command::Duty(DutyCommand::List { config, on, json }) => commands::duty::run_list(&config.path, on, json).await,
        Command::Duty(DutyCommand::Explain { config, kind, place, at }) => {
            commands::duty::run_explain(&config.path, &kind, &place, at.as_deref()).await
        }
        Command::Grid(GridCommand::Import(import)) => {
            commands::grid::run_import(&import.config.path, &import.file, import.write())
        }
        Command::Grid(GridCommand::List { config }) => commands::grid::run_list(&config.path),
        Command::Grid(GridCommand::Locate { config, lon, lat }) => commands::grid::run_locate(&config.path, lon, lat),
        Command::Tickets(TicketsCommand::List { config, camera, state, limit, json }) => {
            commands::tickets::run_list(&config.path, camera, state, limit, json).await
        }
        Command::Labels(LabelsCommand::Export { config, folder, nothing }) => {
            commands::labels::run_export(&config.path, &folder, &nothing).await
        }
        Command::Tickets(TicketsCommand::Export { config, file, from, to }) => {
            commands::tickets::run_export(&config.path, &file, from, to).await
        }
        Command::Tickets(TicketsCommand::Show { config, id, json, export }) => {
            commands::tickets::run_show(&config.path, id, json, export.as_deref()).await
        }
        Command::Tickets(TicketsCommand::Hold { config, id, reason, by }) => {
            commands::holds::run_hold(&config.path, id, &reason, by).await
        }
        Command::Tickets(TicketsCommand::Release { config, id, reason, by }) => {
            commands::holds::run_release(&config.path, id, &reason, by).await
        }
        Command::ZeroReport { config, date, json } => commands::zero_report::run(&config.path, date, json).await,
        Command::Models(ModelsCommand::List(models)) => commands::models::run_list(&models.models_dir),
        Command::Models(ModelsCommand::Pull { models, name }) => {
            commands::models::run_pull(&models.models_dir, &name).await
        }
        Command::Models(ModelsCommand::Verify { models, name }) => {
            commands::models::run_verify(&detect::DetectConfig::default(), &models.models_dir, name.as_deref())
        }
        Command::Models(ModelsCommand::Eval(arguments)) => {
            tokio::task::spawn_blocking(move || commands::models::eval::run(&arguments)).await?
        }
        Command::Models(ModelsCommand::Bench(arguments)) => {
            tokio::task::spawn_blocking(move || commands::models::bench::run(&arguments)).await?
        }
        Command::Backtest(arguments) => commands::backtest::run(arguments).await,
    }
}

/// The first SIGINT or SIGTERM asks for a clean stop, the second one stops at once.
fn cancel_on_signal(cancel: CancellationToken) -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        for n in 1.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if n == 1 {
                tracing::info!("stopping; a second signal stops at once");
                cancel.cancel();
            } else {
                std::process::exit(i32::from(STOPPED));
            }
        }
    })
}
