//! Chromium without a window, driven by its `DevTools` protocol over a pair of pipes.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::Command,
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{PATIENCE, Process, binary, run, temp_dir};

/// A browser.
#[derive(Debug)]
pub struct Browser {
    process: Process,
    to: File,
    from: Receiver<Value>,
    last: u64,
    /// What happened since it was last asked for.
    events: VecDeque<Value>,
    /// Its profile and its pipes.
    _folder: TempDir,
}

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Pixels.
    pub width: u32,
    /// Whether the reader's system is set to dark.
    pub dark: bool,
}

/// A page that was opened.
#[derive(Debug)]
pub struct Page {
    session: String,
    /// Everything that it asked for, itself first.
    pub requests: Vec<String>,
    /// What its console said, and errors that nobody caught.
    pub console: Vec<String>,
}

impl Browser {
    /// Starts one.
    pub fn start() -> Self {
        let program = binary(
            "chromium-headless-shell",
            &[PathBuf::from("/usr/bin")],
            "apt-get install chromium-headless-shell",
        );
        let folder = temp_dir();
        let [to, from] = ["to", "from"].map(|name| folder.path().join(name));
        run(Command::new("mkfifo").args([&to, &from]));
        // The browser reads what it is told at 3 and answers at 4. As root it has no sandbox.
        let script = r#"exec "$0" --remote-debugging-pipe --no-sandbox --disable-gpu --hide-scrollbars \
            --disable-dev-shm-usage --user-data-dir="$1" 3<"$2" 4>"$3""#;
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(program).args([folder.path(), &to, &from]);
        let process = Process::spawn("chromium", &mut command, &folder.path().join("log"));
        // In the order in which the shell opens them: each end waits for the other.
        let to = File::options().write(true).open(to).expect("the pipe is there");
        let answers = BufReader::new(File::open(from).expect("the pipe is there"));
        let (tell, from) = channel();
        thread::spawn(move || {
            for message in answers.split(0) {
                let Ok(Ok(message)) = message.map(|text| serde_json::from_slice(&text)) else { return };
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        Self { process, to, from, last: 0, events: VecDeque::new(), _folder: folder }
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&mut self, url: &str, look: Look) -> Page {
        let target = self.call(None, "Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(None, "Target.attachToTarget", &attach)["sessionId"]
            .as_str()
            .expect("a session has an id")
            .to_owned();
        let mut page = Page { session, requests: Vec::new(), console: Vec::new() };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(Some(&page), &format!("{domain}.enable"), &json!({}));
        }
        let metrics =
            json!({ "width": look.width, "height": 900, "deviceScaleFactor": 1, "mobile": look.width < 500 });
        self.call(Some(&page), "Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if look.dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call(Some(&page), "Emulation.setEmulatedMedia", &media);
        self.call(Some(&page), "Page.navigate", &json!({ "url": url }));
        loop {
            let event = self.next_event();
            if event["sessionId"] == page.session.as_str() {
                page.note(&event);
                if event["method"] == "Page.loadEventFired" {
                    return page;
                }
            }
        }
    }

    /// What an expression of JavaScript comes to in a page, as JSON.
    pub fn evaluate(&mut self, page: &Page, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call(Some(page), "Runtime.evaluate", &asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    fn call(&mut self, page: Option<&Page>, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(page) = page {
            message["sessionId"] = page.session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        loop {
            let heard = self.hear();
            if heard["id"] == self.last {
                assert!(heard.get("error").is_none(), "{method}: {heard}");
                return heard["result"].clone();
            }
            self.events.push_back(heard);
        }
    }

    fn next_event(&mut self) -> Value {
        match self.events.pop_front() {
            Some(event) => event,
            None => self.hear(),
        }
    }

    fn hear(&mut self) -> Value {
        self.from
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("the browser is silent ({error}):\n{}", self.process.output()))
    }
}

impl Page {
    fn note(&mut self, event: &Value) {
        let told = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                self.requests.push(told["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded" => {
                self.console.push(told.to_string());
            }
            _ => {}
        }
    }
}
