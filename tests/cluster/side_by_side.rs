//! `make side-by-side`: what very many ScaledObjects cost with KEDA's own `redis` and `postgresql` triggers, and
//! with Foresail's, on the same stack. Prints Markdown; docs/side-by-side.md shows it.

mod measure;
mod table;

use std::process::ExitCode;

use self::measure::{Contender, Measured};

/// ScaledObjects of a round, unless the arguments say otherwise.
const SIZES: [usize; 2] = [300, 1000];

/// Measures every contender with each number of objects that the arguments name.
#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) fn side_by_side(arguments: &[String]) -> ExitCode {
    let sizes: Result<Vec<usize>, _> = arguments.iter().map(|argument| argument.parse()).collect();
    let Ok(mut sizes) = sizes else {
        eprintln!("side-by-side takes numbers of ScaledObjects: side-by-side 300 1000");
        return ExitCode::from(2);
    };
    if sizes.is_empty() {
        sizes.extend(SIZES);
    }
    let machine = crate::machine::line_of(cfg!(debug_assertions) && crate::server::other_binary().is_none());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.spawn(async {
        crate::interrupted().await;
        std::process::exit(130);
    });
    println!("{}", table::heading(&machine));
    for size in sizes {
        let mut measured: Vec<Measured> = Vec::new();
        for contender in Contender::ALL {
            measured.push(runtime.block_on(contender.measure(size)));
            eprintln!("{}", table::of(size, &measured));
        }
        println!("\n{}", table::of(size, &measured));
    }
    ExitCode::SUCCESS
}
