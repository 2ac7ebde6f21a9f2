{{- define "foresail.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "foresail.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "foresail.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "foresail.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* What is unique in the cluster, for objects without a namespace. */}}
{{- define "foresail.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "foresail.fullname" .) }}
{{- end }}

{{- /* A Deployment's selector can never change: nothing with a version belongs here. */}}
{{- define "foresail.selectorLabels" -}}
app.kubernetes.io/name: {{ include "foresail.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Of the pods: without versions, so that a chart which changes nothing in them restarts nothing. */}}
{{- define "foresail.podLabels" -}}
{{ include "foresail.selectorLabels" . }}
app.kubernetes.io/component: scaler
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "foresail.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "foresail.podLabels" . }}
{{- end }}

{{- define "foresail.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "foresail.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "foresail.image" -}}
{{- $image := .Values.image -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if or $image.tag (not $image.digest) }}:{{ default .Chart.AppVersion $image.tag }}{{ end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{- /* The host that both listeners are given; `serve --bind` puts the pod's own in its place. */}}
{{- define "foresail.host" -}}
{{- if eq .Values.bind "::" }}[::]{{ else }}0.0.0.0{{ end }}
{{- end }}

{{- /* Every name that a trigger's scalerAddress may call this Service by. */}}
{{- define "foresail.addresses" -}}
{{- $name := include "foresail.fullname" . -}}
{{- $port := .Values.service.grpc.port -}}
{{- $qualified := printf "%s.%s" $name .Release.Namespace -}}
{{- $hosts := list $name $qualified (printf "%s.svc" $qualified) (printf "%s.svc.%s" $qualified .Values.kubernetes.clusterDomain) -}}
{{- $addresses := list -}}
{{- range $hosts }}{{ $addresses = append $addresses (printf "%s:%v" . $port) }}{{ end -}}
{{- concat $addresses .Values.kubernetes.addresses | uniq | toJson }}
{{- end }}

{{- /* foresail.yaml: what the operator wrote, and what only the chart knows. */}}
{{- define "foresail.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $host := include "foresail.host" . -}}
{{- $grpc := merge (dict "listen" (printf "%s:6000" $host)) (default (dict) $config.grpc) -}}
{{- $_ := set $config "grpc" $grpc -}}
{{- $_ := set $config "http" (dict "listen" (printf "%s:8080" $host)) -}}
{{- if .Values.kubernetes.enabled -}}
{{- $kubernetes := dict "addresses" (include "foresail.addresses" . | fromJsonArray) -}}
{{- with .Values.kubernetes.namespaces }}{{ $_ := set $kubernetes "namespaces" . }}{{ end -}}
{{- if .Values.kubernetes.nodeClaims }}{{ $_ := set $kubernetes "node_claims" true }}{{ end -}}
{{- $_ := set $config "kubernetes" $kubernetes -}}
{{- end -}}
{{- if include "foresail.writes" . }}{{ $_ := set $config "hints" (include "foresail.hints" . | fromYaml) }}{{ end -}}
{{- if and .Values.persistence.enabled (not (hasKey $config "state")) -}}
{{- $_ := set $config "state" (dict "file" (printf "%s/state" .Values.persistence.mountPath)) -}}
{{- end -}}
{{- toYaml $config }}
{{- end }}

{{- define "foresail.claim" -}}
{{- default (include "foresail.fullname" .) .Values.persistence.existingClaim }}
{{- end }}

{{- /* Whether pods on two nodes can have the volume at once. */}}
{{- define "foresail.claimIsShared" -}}
{{- if or (not .Values.persistence.enabled) (has "ReadWriteMany" .Values.persistence.accessModes) }}yes{{ end }}
{{- end }}

{{- /* Least rights: what is watched. What is written has roles of its own. */}}
{{- define "foresail.rules" -}}
- apiGroups: [keda.sh]
  resources: [scaledobjects, scaledjobs]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
{{- range .Values.kubernetes.scaleTargets }}
- apiGroups: [{{ .group | quote }}]
  resources: [{{ printf "%s/scale" .resource | quote }}]
  verbs: [get]
{{- end }}
{{- end }}

{{- /* A probe of the kubelet: by gRPC, or over HTTP where the gRPC port has TLS, which the kubelet does not speak. */}}
{{- define "foresail.probe" -}}
{{- if (default (dict) .root.Values.config.grpc).tls }}
httpGet: { path: {{ .path }}, port: http }
{{- else }}
grpc: { port: 6000, service: {{ .service }} }
{{- end }}
{{ toYaml .settings }}
{{- end }}

{{- /* The token by which the API server knows the pod, as a volume. */}}
{{- define "foresail.token" -}}
- name: token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3607 }
      - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
      - downwardAPI: { items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }] }
{{- end }}
