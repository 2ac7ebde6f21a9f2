//! Compiles KEDA's protocol without protoc, and keeps its descriptor for gRPC reflection.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use prost::Message as _;

/// Older forms of the protocol, whose clients the contract tests call with.
const OLDER: [&str; 2] = ["keda-2.0", "keda-2.17"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=tests/proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::compile(["proto/externalscaler.proto"], ["proto"])?;
    // `compile_fds` does not write the descriptor set itself.
    fs::write(out.join("externalscaler.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    OLDER.iter().try_for_each(|name| older_client(name, &out))
}

/// A client of an older protocol; a source tree without tests needs none.
fn older_client(name: &str, out: &Path) -> Result<(), Box<dyn Error>> {
    let file = format!("{name}.proto");
    if !Path::new("tests/proto").join(&file).exists() {
        return Ok(());
    }
    let out = out.join(name);
    fs::create_dir_all(&out)?;
    let descriptors = protox::compile([file], ["tests/proto"])?;
    tonic_prost_build::configure().build_server(false).out_dir(out).compile_fds(descriptors)?;
    Ok(())
}
