// The step that changes a device of the standard network.
import {
  DEV_SET_FEATURES,
  DEV_SET_FORWARDING,
  DEV_SET_MTU,
  DEV_SET_UP,
  NETIF_F_HW_CSUM,
  NETIF_F_SG,
  NETIF_F_TSO,
} from "../../assembly/abi/dev.ts";
import type { RunContext } from "./context.ts";
import type { LinkSetting } from "./parse_link.ts";
import type { StepOf } from "./steps.ts";

const FEATURES = { sg: NETIF_F_SG, csum: NETIF_F_HW_CSUM, tso: NETIF_F_TSO } as const;

export function stepLink(run: RunContext, step: StepOf<"link">): void {
  if (step.device.startsWith("nic")) run.machine.nic();
  const { network } = run.machine;
  const dev = network?.devices.get(step.device);
  if (network === undefined || dev === undefined) run.fail(`link: there is no device ${step.device}`);
  let result = 0;
  for (const setting of step.settings) {
    result = change(run, dev, network.wanted(dev), setting);
    if (result < 0) break;
  }
  run.outResult("link", run.call("link", result));
}

/** `wanted`: the features that were asked for; a device has those of them that make sense together. */
function change({ machine }: RunContext, dev: number, wanted: { features: number }, setting: LinkSetting): number {
  const { exports } = machine;
  const { key, value } = setting;
  switch (key) {
    case "up":
      return exports.dev_set(dev, DEV_SET_UP, value);
    case "mtu":
      return exports.dev_set(dev, DEV_SET_MTU, value);
    case "forward":
      return exports.dev_set(dev, DEV_SET_FORWARDING, value);
    case "gateway":
      return exports.dev_default_route(dev, value);
    default: {
      const bit = FEATURES[key];
      wanted.features = value === 1 ? wanted.features | bit : wanted.features & ~bit;
      return exports.dev_set(dev, DEV_SET_FEATURES, wanted.features);
    }
  }
}
