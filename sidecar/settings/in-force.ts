import type { SidecarStatus } from '../../common/contract/status.ts';
import type { Logger } from '../../common/log.ts';
import type { LoadedSettings, SettingsWatch } from './settings.ts';

/** The settings that are in force, and what `/status` says of them. */
export class SettingsInForce implements SettingsWatch {
  readonly #log: Logger;
  readonly #apply: (settings: LoadedSettings) => void;
  #settings: LoadedSettings;
  #status: Omit<SidecarStatus['settings'], 'digest'> = { state: 'Current', message: '' };

  /** @param apply passes new settings on to those who work with them */
  constructor(started: LoadedSettings, log: Logger, apply: (settings: LoadedSettings) => void) {
    this.#settings = started;
    this.#log = log;
    this.#apply = apply;
  }

  get publicKeys(): readonly string[] {
    return this.#settings.publicKeys;
  }

  get status(): SidecarStatus['settings'] {
    return { ...this.#status, digest: this.#settings.digest };
  }

  onChange(settings: LoadedSettings, restartNeeded: readonly string[]): void {
    this.#settings = settings;
    this.#status =
      restartNeeded.length === 0
        ? { state: 'Current', message: '' }
        : { state: 'RestartNeeded', message: `${restartNeeded.join(', ')} take effect at the next start` };
    this.#log.level = settings.logLevel;
    this.#log.info({ peers: settings.peers.length, restartNeeded }, 'took up changed settings');
    this.#apply(settings);
  }

  onProblem(message: string): void {
    this.#status = { state: 'Refused', message };
    this.#log.error({ problem: message }, 'the changed settings are refused; the last good settings stay in force');
  }
}
