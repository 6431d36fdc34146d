//! Variables with the prefix `HONGYAN_` that a platform wrote.
//!
//! Kubernetes describes services, and Docker describes linked containers, in variables that begin with the name of the
//! service. The variables of a service named `hongyan` or `hongyan-sandbox` begin like settings, but are not misspelt settings.
//! Both the name and the value must have the form of the platform: `HONGYAN_PORT=8780` comes from a person who means the port.
//!
//! The forms: <https://kubernetes.io/docs/concepts/containers/container-environment/> and
//! <https://docs.docker.com/engine/network/links/>.

/// Whether a platform wrote this variable. `name` is the rest after `HONGYAN_`.
pub(super) fn is_injected(name: &str, value: &str) -> bool {
    // The name of the service may go on after `hongyan`: `HONGYAN_SANDBOX_SERVICE_HOST`.
    let parts: Vec<&str> = name.split('_').collect();
    (0..parts.len()).any(|at| is_form(&parts[at..], value))
}

/// Whether the parts after a service's name have the form of a platform.
fn is_form(parts: &[&str], value: &str) -> bool {
    match parts {
        ["SERVICE", "HOST"] | ["ENV", _, ..] => true,
        // A port may have a name.
        ["SERVICE", "PORT", ..] => is_number(value),
        ["PORT"] => has_scheme(value),
        ["PORT", number, protocol, rest @ ..] if is_number(number) && is_protocol(protocol) => {
            matches!(rest, [] | ["PROTO" | "ADDR" | "PORT" | "START" | "END"] | ["PORT", "START" | "END"])
        }
        // Docker writes: /container/alias.
        ["NAME"] => value.starts_with('/'),
        _ => false,
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

fn is_protocol(text: &str) -> bool {
    matches!(text, "TCP" | "UDP" | "SCTP")
}

fn has_scheme(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::super::settings::TABLE;
    use super::*;

    #[test]
    fn variables_of_platforms_are_recognised() {
        let written = [
            ("SERVICE_HOST", "10.0.0.11"),
            ("SERVICE_HOST", "fd00::11"),
            ("SERVICE_PORT", "8780"),
            ("SERVICE_PORT_HTTP", "8780"),
            ("SERVICE_PORT_HTTP_ADMIN", "9090"),
            ("PORT", "tcp://10.0.0.11:8780"),
            ("PORT", "udp://10.0.0.11:8780"),
            ("PORT_8780_TCP", "tcp://10.0.0.11:8780"),
            ("PORT_8780_TCP_PROTO", "tcp"),
            ("PORT_8780_TCP_PORT", "8780"),
            ("PORT_8780_TCP_ADDR", "10.0.0.11"),
            ("PORT_53_UDP_ADDR", "10.0.0.11"),
            ("PORT_53_SCTP", "sctp://10.0.0.11:53"),
            ("PORT_80_TCP_START", "tcp://10.0.0.11:80"),
            ("PORT_80_TCP_PORT_END", "82"),
            ("NAME", "/web/hongyan"),
            ("ENV_PATH", "/usr/bin"),
            ("ENV_HONGYAN_LISTEN", "0.0.0.0:8780"),
            ("SANDBOX_SERVICE_HOST", "10.0.0.12"),
            ("SANDBOX_PORT", "tcp://10.0.0.12:8790"),
            ("SANDBOX_PORT_8790_TCP_ADDR", "10.0.0.12"),
            ("1_NAME", "/web/hongyan_1"),
        ];
        for (name, value) in written {
            assert!(is_injected(name, value), "HONGYAN_{name}={value}");
        }
    }

    #[test]
    fn variables_of_people_are_not_taken_for_a_platforms() {
        let written = [
            ("PORT", "8780"),
            ("LISTEN_PORT", "8780"),
            ("SERVICE_PORT", "many"),
            ("NAME", "node-1"),
            ("NODE_NAME", "node-1"),
            ("HOST", "0.0.0.0"),
            ("PORT_X_TCP", "tcp://10.0.0.11:8780"),
            ("PORT_8780_TLS", "tcp://10.0.0.11:8780"),
            ("PORT_8780_TCP_OTHER", "x"),
            ("LISTN", "127.0.0.1:8780"),
            ("ENV", "production"),
            ("ENVIRONMENT", "production"),
            ("", ""),
        ];
        for (name, value) in written {
            assert!(!is_injected(name, value), "HONGYAN_{name}={value}");
        }
    }

    #[test]
    fn no_setting_has_a_name_that_a_platform_writes() {
        for setting in TABLE {
            let name = setting.key.to_ascii_uppercase();
            for value in ["8780", "10.0.0.1", "tcp://10.0.0.1:8780", "/web/hongyan"] {
                assert!(!is_injected(&name, value), "{name}={value}");
            }
        }
    }
}
