//! Everything that the client does, once: `round_trip [HOST:PORT]`. It makes a topic of its own, and
//! deletes it.

mod scenario;

#[tokio::main]
async fn main() -> Result<(), corelog_native::Error> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or("127.0.0.1:9192".into());
    for line in scenario::run(&address).await? {
        println!("{line}");
    }
    Ok(())
}
