//! The command that asks whether a gateway runs.

use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::ConfigArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 0: the gateway is well, and nothing is printed. Exit code 1: it is not, or does not answer.

The address is that of the settings: admin_listen, or listen if admin_listen is not set.

Examples:
  hongyan healthcheck
  hongyan healthcheck --ready --config /etc/hongyan.toml
  hongyan healthcheck --url http://127.0.0.1:9000
  HEALTHCHECK CMD [\"hongyan\", \"healthcheck\"]      in a Containerfile; needs no shell")]
pub(crate) struct HealthcheckArgs {
    /// Ask whether the gateway can take requests (/readyz), not only whether its process runs (/livez)
    #[arg(long)]
    pub(crate) ready: bool,
    /// The gateway's URL, instead of the address in the settings
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub(crate) url: Option<Url>,
    /// A PEM file of CA certificates for an https URL: trust these instead of the public CAs
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) ca_file: Option<PathBuf>,
    /// How long to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = clap::value_parser!(u8).range(1..=60))]
    pub(crate) timeout: u8,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}
