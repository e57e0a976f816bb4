#!/usr/bin/python3
"""Judges rendered manifests without a cluster: every field by the API's own description
(kubernetes_schema.py), and what we ask of our own beyond that: who may do what, what is named is
there, and times that fit together.
usage: kubernetes_check.py MODELS VERSION FILE...    exit 1 when a fault was found, each on a line"""
import re
import sys

import yaml

from kubernetes_schema import Schema

SECRETS = {'redis-auth', 'redkeep-s3'}  # made by hand, as the README says
PRIVILEGED = {'tune'}
SPARE_SECONDS = 5  # between drain-timeout and the kubelet's SIGKILL


def labels_match(selector, labels):
    wanted = (selector or {}).get('matchLabels', selector) or {}
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def template_of(workload):
    spec = workload['spec']
    return (spec['jobTemplate']['spec'] if workload['kind'] == 'CronJob' else spec)['template']


class Judge:
    def __init__(self, documents, version):
        self.documents, self.version, self.faults = documents, version, []
        self.workloads = [one for one in documents
                          if one['kind'] in ('StatefulSet', 'DaemonSet', 'CronJob')]

    def of_kind(self, kind):
        return [one for one in self.documents if one['kind'] == kind]

    def named(self, kind):
        return {one['metadata']['name']: one for one in self.of_kind(kind)}

    def say(self, at, text):
        self.faults.append(f'{at}: {text}')

    def judge(self):
        for workload in self.workloads:
            at = f"{workload['kind']} {workload['metadata']['name']}"
            template = template_of(workload)
            self.pod(at, template['spec'], workload['spec'].get('volumeClaimTemplates', []))
            if workload['kind'] == 'StatefulSet':
                self.server(at, workload)
            if workload['kind'] == 'CronJob':
                self.drill(at, template['spec'])
                if 'activeDeadlineSeconds' not in workload['spec']['jobTemplate']['spec']:
                    self.say(at, 'a drill that hangs stays, and is the last one')
        self.selectors()
        return self.faults

    # ---- any pod ----

    def pod(self, at, spec, claims):
        context = spec.get('securityContext', {})
        if spec.get('automountServiceAccountToken') is not False:
            self.say(at, 'a token of the API would be mounted')
        if spec.get('enableServiceLinks') is not False:
            self.say(at, 'the addresses of services would be in the environment')
        if context.get('seccompProfile', {}).get('type') != 'RuntimeDefault':
            self.say(at, 'no seccomp profile')
        account = spec.get('serviceAccountName')
        if account and account not in self.named('ServiceAccount'):
            self.say(at, f'no ServiceAccount {account}')
        volumes = {one['name'] for one in spec.get('volumes', [])} | {
            one['metadata']['name'] for one in claims}
        for volume in spec.get('volumes', []):
            self.source(at, volume)
        for one in spec.get('initContainers', []) + spec['containers']:
            self.container(f"{at} {one['name']}", one, context, volumes)

    def source(self, at, volume):
        config, secret = volume.get('configMap'), volume.get('secret')
        if config and config['name'] not in self.named('ConfigMap'):
            self.say(at, f"no ConfigMap {config['name']}")
        if secret and secret['secretName'] not in SECRETS:
            self.say(at, f"nobody is told to make the Secret {secret['secretName']}")
        if secret and secret.get('defaultMode') != 0o440:
            self.say(at, f"the Secret {secret['secretName']} is readable for all")

    def container(self, at, one, pod_context, volumes):
        context = {**pod_context, **one.get('securityContext', {})}
        resources = one.get('resources', {})
        if one['name'] not in PRIVILEGED:
            if context.get('privileged') or context.get('allowPrivilegeEscalation') is not False:
                self.say(at, 'may gain privileges')
            if context.get('capabilities') != {'drop': ['ALL']}:
                self.say(at, 'keeps capabilities')
            if context.get('runAsNonRoot') is not True or not context.get('runAsUser'):
                self.say(at, 'may run as root')
        if context.get('readOnlyRootFilesystem') is not True:
            self.say(at, 'may write to its root')
        if not {'cpu', 'memory'} <= set(resources.get('requests', {})) or \
                'memory' not in resources.get('limits', {}):
            self.say(at, 'asks for no resources, or has no limit')
        if not re.search(r':[^:/]+$', one['image']) or one['image'].endswith(':latest'):
            self.say(at, f"{one['image']}: whichever version is there")
        if one['image'].startswith('redkeep') and not one['image'].endswith(f':{self.version}'):
            self.say(at, f"{one['image']} is not of version {self.version}")
        for mount in one.get('volumeMounts', []):
            if mount['name'] not in volumes:
                self.say(at, f"no volume {mount['name']}")
        for source in one.get('envFrom', []):
            if source['configMapRef']['name'] not in self.named('ConfigMap'):
                self.say(at, f"no ConfigMap {source['configMapRef']['name']}")
        self.environment(at, one)

    def environment(self, at, one):
        known = set()
        for variable in one.get('env', []):
            for name in re.findall(r'\$\((\w+)\)', variable.get('value', '')):
                if name not in known:  # left as it stands, without a word
                    self.say(at, f"{variable['name']} uses {name}, which is not set before it")
            known.add(variable['name'])

    # ---- ours ----

    def settings(self, one):
        config = self.named('ConfigMap')
        result = {}
        for source in one.get('envFrom', []):
            result.update(config.get(source['configMapRef']['name'], {}).get('data', {}))
        result.update({variable['name']: variable.get('value') for variable in one.get('env', [])})
        return result

    def server(self, at, workload):
        spec = template_of(workload)['spec']
        inits = [one['name'] for one in spec['initContainers']]
        everyone = {one['name']: one for one in spec['initContainers'] + spec['containers']}
        if not {'prepare', 'redkeep', 'redis'} <= set(everyone):
            return self.say(at, f'{sorted(everyone)}: prepare first, then a sidecar, and the server')
        server, sidecar = everyone['redis'], everyone['redkeep']
        is_native = sidecar in spec['initContainers']
        if is_native and (inits[-2:] != ['prepare', 'redkeep'] or
                          sidecar.get('restartPolicy') != 'Always'):
            self.say(at, f'{inits}: prepare first, then a sidecar that stays')
        if not is_native and (inits[-1:] != ['prepare'] or 'restartPolicy' in sidecar):
            self.say(at, 'an ordinary sidecar has no restartPolicy')
        for probe in ('startupProbe', 'readinessProbe', 'livenessProbe'):
            if probe not in server:
                self.say(at, f'redis has no {probe}')
        if 'livenessProbe' not in sidecar:
            self.say(at, 'redkeep has no livenessProbe')
        ready = server.get('readinessProbe', {}).get('httpGet', {})
        if ready.get('port') not in [port['containerPort'] for port in sidecar.get('ports', [])]:
            self.say(at, 'readiness asks where nobody listens')
        self.times(at, spec, self.settings(sidecar), is_native)
        self.agreement(at, spec, self.settings(sidecar), self.settings(everyone['prepare']))
        if workload['spec']['serviceName'] not in self.named('Service'):
            self.say(at, f"no Service {workload['spec']['serviceName']}")
        return None

    def times(self, at, spec, settings, is_native):
        grace = spec['terminationGracePeriodSeconds']
        drain = int(settings.get('REDKEEP_DRAIN_TIMEOUT', '25s').removesuffix('s'))
        if drain + SPARE_SECONDS > grace:
            self.say(at, f'{grace} s of grace are over before drain-timeout, {drain} s')
        if not is_native and drain < grace - 3 * SPARE_SECONDS:
            self.say(at, f'drain-timeout, {drain} s, is over long before the server must have ended')

    def agreement(self, at, spec, sidecar, prepare):
        name = next(one['configMap']['name'] for one in spec['volumes'] if one['name'] == 'redis-conf')
        text = self.named('ConfigMap')[name]['data']['redis.conf']
        for directive, setting in (('dir', 'DATA_DIR'), ('appendonly', 'APPENDONLY')):
            wanted = re.search(rf'^{directive} (\S+)$', text, re.MULTILINE).group(1)
            if sidecar.get(f'REDKEEP_{setting}') != wanted:
                self.say(at, f'the server has {directive} {wanted}, redkeep something else')
        login = ('REDKEEP_REDIS_USERNAME', 'REDKEEP_REDIS_PASSWORD_FILE')
        if {k: v for k, v in sidecar.items() if k not in login} != prepare:
            self.say(at, 'prepare and run have different settings')
        if not re.match(r'(s3|file)://', sidecar.get('REDKEEP_REPOSITORY') or ''):
            self.say(at, 'no repository')

    def drill(self, at, spec):
        server = self.of_kind('StatefulSet')[0]
        sidecar = next(one for one in template_of(server)['spec']['initContainers'] +
                       template_of(server)['spec']['containers'] if one['name'] == 'redkeep')
        ours, theirs = self.settings(spec['containers'][0]), self.settings(sidecar)
        instance = theirs['REDKEEP_INSTANCE'].replace('$(POD_NAME)', f"{server['metadata']['name']}-0")
        if ours['REDKEEP_INSTANCE'] != instance:
            self.say(at, f"drills {ours['REDKEEP_INSTANCE']}, and {instance} is backed up")
        for name in theirs:
            if name.startswith('AWS_') and ours.get(name) != theirs[name]:
                self.say(at, f'has not the {name} of the sidecar')

    # ---- who is meant ----

    def selectors(self):
        pods = [template_of(one)['metadata']['labels'] for one in self.workloads]
        ports = {port['name'] for one in self.workloads for container in
                 template_of(one)['spec'].get('initContainers', []) + template_of(one)['spec']['containers']
                 for port in container.get('ports', [])}
        for service in self.of_kind('Service'):
            wanted = {key: value for key, value in service['spec'].get('selector', {}).items()
                      if key != 'statefulset.kubernetes.io/pod-name'}
            if not any(labels_match(wanted, labels) for labels in pods):
                self.say(f"Service {service['metadata']['name']}", 'selects nothing')
            self.ports(service, [port['targetPort'] for port in service['spec']['ports']], ports)
        for policy in self.of_kind('NetworkPolicy'):
            if not any(labels_match(policy['spec'].get('podSelector'), labels) for labels in pods):
                self.say(f"NetworkPolicy {policy['metadata']['name']}", 'selects nothing')
            self.ports(policy, [port['port'] for rule in policy['spec']['ingress']
                                for port in rule['ports']], ports)
        for kind in ('PodDisruptionBudget', 'PodMonitor'):
            for one in self.of_kind(kind):
                if not any(labels_match(one['spec'].get('selector'), labels) for labels in pods):
                    self.say(f"{kind} {one['metadata']['name']}", 'selects nothing')
        for monitor in self.of_kind('PodMonitor'):
            self.ports(monitor, [one['port'] for one in monitor['spec']['podMetricsEndpoints']], ports)
        for policy in self.of_kind('NetworkPolicy'):
            for rule in policy['spec']['ingress']:
                for peer in rule['from']:
                    if len((peer.get('podSelector') or {}).get('matchLabels', {})) > 1:
                        self.say(f"NetworkPolicy {policy['metadata']['name']}",
                                 'a client would need several labels')

    def ports(self, one, wanted, known):
        for port in wanted:
            if port not in known:
                self.say(f"{one['kind']} {one['metadata']['name']}", f'no container has a port {port}')


def main():
    if len(sys.argv) < 4:
        print(__doc__.splitlines()[-1], file=sys.stderr)
        return 2
    schema = Schema(sys.argv[1])
    bad = 0
    for path in sys.argv[3:]:
        with open(path, encoding='utf-8') as file:
            documents = [one for one in yaml.safe_load_all(file) if one]
        faults = [fault for one in documents for fault in schema.check(one)]
        faults = faults or Judge(documents, sys.argv[2]).judge()
        for fault in faults or ([] if documents else ['nothing in it']):
            print(f'{path}: {fault}')
            bad = 1
    return bad


if __name__ == '__main__':
    sys.exit(main())
