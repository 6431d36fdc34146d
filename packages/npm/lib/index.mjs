export {
  CallError,
  CardsMissing,
  ChaosKind,
  SandboxError,
  connectSandbox,
  findBinary,
  startGateway,
  startSandbox,
} from "./index.cjs";
