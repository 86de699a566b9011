/** How one speaks: the way, the engine, the language, the microphone. All of it may be changed while speaking. */

import { useEffect, useMemo, useState } from "react";

import { json } from "../api.js";
import { live } from "../i18n/live.js";
import { useLocale, useText } from "../i18n/text.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { providersRead } from "../store/hub.js";
import { Choices, type Option, Select } from "../ui/index.js";
import { link } from "./link.js";
import { type Choices as Chosen, TRANSPORTS } from "./slice.js";

/** Offered where an engine does not say what it hears. */
const COMMON = ["en", "zh", "ja", "ko", "de", "fr", "es", "it", "pt", "ru", "ar", "hi"];

type ProviderList = Parameters<typeof providersRead>[0];

export function Settings() {
  const t = useText(live);
  const { transport, mode, provider, language, device } = useSelector((state) => state.live.choices);
  const providers = useProviders();
  const devices = useMicrophones();
  const isOpen = useSelector((state) => ["live", "broken"].includes(state.sessions[state.live.session ?? ""]?.connection ?? ""));
  // A session has no way back from a language that it was told.
  const isBound = isOpen && language !== "";
  const languages = useLanguages(providers, provider, isBound);
  const change = (wish: Partial<Chosen>): void => void link.change(wish);
  return (
    <div className="live-settings">
      <Choices
        label={t("mode")}
        value={mode}
        options={[
          { value: "hands-free", text: t("handsFree") },
          { value: "push-to-talk", text: t("pushToTalk") },
        ]}
        onPick={(value) => change({ mode: value as Chosen["mode"] })}
      />
      <Choices
        label={t("protocol")}
        value={transport}
        options={TRANSPORTS.map((value) => ({ value, text: t(value) }))}
        onPick={(value) => change({ transport: value as Chosen["transport"] })}
      />
      <Select label={t("provider")} value={provider} options={providerOptions()} onPick={(value) => change({ provider: value })} />
      <Select
        label={t("spokenLanguage")}
        hint={isBound ? t("languageBound") : undefined}
        value={language}
        options={languages}
        onPick={(value) => change({ language: value })}
      />
      <Select label={t("microphone")} value={device} options={deviceOptions()} onPick={(value) => change({ device: value })} />
    </div>
  );

  function providerOptions(): Option[] {
    const known = providers.map(({ name, health, is_default }) => ({
      value: name,
      text: health !== "ready" ? t("providerDown", { name, health }) : is_default ? t("providerOf", { name }) : name,
      disabled: health !== "ready" && health !== "unloaded",
    }));
    return [{ value: "", text: t("providerDefault") }, ...known];
  }

  function deviceOptions(): Option[] {
    const known = devices.map(({ deviceId, label }, index) => ({
      value: deviceId,
      text: label === "" ? t("microphoneOther", { number: index + 1 }) : label,
    }));
    return [{ value: "", text: t("microphoneDefault") }, ...known];
  }
}

/** Asked for when the view is opened, and when the hub says that an engine's state changed. */
function useProviders(): ProviderList {
  const dispatch = useDispatch();
  const { providers, health } = useSelector((state) => state.hub);
  const states = JSON.stringify(health?.providers ?? {});
  useEffect(() => {
    json<ProviderList>("/v1/providers").then(
      (read) => dispatch(providersRead(read)),
      // The header says that no hub answers.
      () => undefined,
    );
  }, [dispatch, states]);
  return providers;
}

function useLanguages(providers: ProviderList, chosen: string, isBound: boolean): Option[] {
  const t = useText(live);
  const locale = useLocale();
  return useMemo(() => {
    const engine = providers.find(({ name, is_default }) => (chosen === "" ? is_default : name === chosen));
    const told = engine?.capabilities?.["languages"];
    const tags = Array.isArray(told) ? told.filter((tag) => typeof tag === "string" && tag !== "*") : [];
    const names = new Intl.DisplayNames(locale, { type: "language" });
    const options = (tags.length === 0 ? COMMON : (tags as string[])).map((value) => ({ value, text: nameOf(names, value) }));
    return [{ value: "", text: t("languageAny"), disabled: isBound }, ...options.sort((one, other) => one.text.localeCompare(other.text, locale))];
  }, [providers, chosen, isBound, locale, t]);
}

/** An engine may name a language as no browser does. */
function nameOf(names: Intl.DisplayNames, tag: string): string {
  try {
    return names.of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** Their names are told only after the person has let the page use one. */
function useMicrophones(): MediaDeviceInfo[] {
  const phase = useSelector((state) => state.live.phase);
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  useEffect(() => {
    const { mediaDevices } = navigator as { mediaDevices?: MediaDevices };
    const look = (): void => {
      void mediaDevices?.enumerateDevices().then((all) => {
        setDevices(all.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== "" && deviceId !== "default"));
      });
    };
    look();
    mediaDevices?.addEventListener("devicechange", look);
    return () => mediaDevices?.removeEventListener("devicechange", look);
  }, [phase]);
  return devices;
}
