import { assertFit, clearMachine } from './machine.ts';
import { step } from './steps.ts';

/** Ends the cluster, and takes away everything that it had of this machine. */
assertFit();
await step('the machine is clear', clearMachine);
