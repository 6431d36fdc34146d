//! What `hongyan user` takes.

use clap::{Args, Subcommand, ValueEnum};
use hongyan_gateway::people::Role;
use hongyan_wechat::AppId;

use super::ConfigArgs;

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    pub(crate) command: UserCommand,
}

/// What a person may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleArg {
    /// Look at messages, users, permits, apps, events and webhooks
    Viewer,
    /// Also send, cancel and resolve messages, grant permits, pause and resume apps, read the audit trail
    Operator,
    /// Everything
    Admin,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Viewer => Self::Viewer,
            RoleArg::Operator => Self::Operator,
            RoleArg::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a person; a password for the first login is printed alone on standard output, and never again
    #[command(after_help = "\
Examples:
  hongyan user add lihua
  hongyan user add wang --role admin
  hongyan user add support --role viewer --apps wx0123456789abcdef")]
    Add {
        /// The name that the person logs in with: letters, digits, and . _ @ + -
        name: String,
        /// What the person may do
        #[arg(long, value_enum, default_value = "viewer")]
        role: RoleArg,
        /// The apps that the person may see; all, if this is left out
        #[arg(long, value_name = "APPID", value_delimiter = ',')]
        apps: Vec<AppId>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// List people; passwords are not stored
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Change what a person may do and see; it holds from the person's next click
    Set {
        /// The person's name
        name: String,
        /// What the person may do
        #[arg(long, value_enum)]
        role: Option<RoleArg>,
        /// The apps that the person may see
        #[arg(long, value_name = "APPID", value_delimiter = ',', conflicts_with = "all_apps")]
        apps: Vec<AppId>,
        /// The person may see all apps
        #[arg(long)]
        all_apps: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Give a person another password, which is printed alone on standard output; the person's sessions end
    ResetPassword {
        /// The person's name
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Remove a person; the person's sessions end
    Remove {
        /// The person's name
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

impl UserCommand {
    /// Which configuration it works on.
    pub(crate) fn config(&self) -> &ConfigArgs {
        let (Self::Add { config, .. }
        | Self::List { config, .. }
        | Self::Set { config, .. }
        | Self::ResetPassword { config, .. }
        | Self::Remove { config, .. }) = self;
        config
    }
}
