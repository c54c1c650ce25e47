//! Lists the demo bot's documents, so that a file added to `demo/` is known without naming it twice.

use std::{env, error::Error, fmt::Write as _, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=demo");
    println!("cargo:rerun-if-env-changed=CARGO_MANIFEST_DIR");
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("demo");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    files.sort();
    let mut list = String::from("const DOCUMENTS: &[(&str, &str)] = &[\n");
    for path in files {
        let name = path.file_name().unwrap_or_default();
        writeln!(list, "    ({name:?}, include_str!({path:?})),")?;
    }
    list.push_str("];\n");
    fs::write(
        PathBuf::from(env::var("OUT_DIR")?).join("demo_documents.rs"),
        list,
    )?;
    Ok(())
}
