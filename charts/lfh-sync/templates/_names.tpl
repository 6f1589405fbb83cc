{{/* Names and labels, following the conventions of Helm charts. */}}
{{- define "lfh-sync.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "lfh-sync.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "lfh-sync.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "lfh-sync.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "lfh-sync.selectorLabels" -}}
app.kubernetes.io/name: {{ include "lfh-sync.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lfh-sync.labels" -}}
{{ include "lfh-sync.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Never `default` with our Roles: every pod in the namespace that names no account has that one. */}}
{{- define "lfh-sync.serviceAccount" -}}
{{- $name := default (ternary (include "lfh-sync.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- if and .Values.rbac.create (eq $name "default") }}
{{- fail "serviceAccount.name: set it to a service account that only the operator uses, or leave serviceAccount.create true; every pod of the namespace that names no account is `default`, and would get the operator's rights" }}
{{- end }}
{{- $name }}
{{- end }}

{{- define "lfh-sync.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* JSON: the namespaces whose nodes the operator reconciles. The namespace of `node` is always one of them. */}}
{{- define "lfh-sync.namespaces" -}}
{{- $namespaces := .Values.watch.namespaces }}
{{- if or .Values.node (not $namespaces) }}
{{- $namespaces = prepend $namespaces .Release.Namespace }}
{{- end }}
{{- $namespaces | uniq | toJson }}
{{- end }}
