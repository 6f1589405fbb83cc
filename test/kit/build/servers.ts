import { kafkaClassPath } from '../servers/kafka.ts';
import { natsServerProgram } from '../servers/nats-server.ts';
import { helmProgram, kubernetesPrograms } from './kubernetes-programs.ts';
import { prometheusCrds } from './prometheus-crds.ts';
import { rulesProgram } from './prometheus-rules.ts';

/** Finds or builds everything that tests, demo and benches start, so that they need not wait for it later. */
await natsServerProgram('current');
await natsServerProgram('beforeReset');
await natsServerProgram('upstream');
await kafkaClassPath();
await kubernetesPrograms();
await helmProgram();
await prometheusCrds();
await rulesProgram();
