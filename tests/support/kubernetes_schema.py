"""What the fields of Kubernetes' objects are: read from the model classes of the Python client, which are
made from the API's own description, without importing them. Of the
resources that an operator brings, what we use of them stands here."""
import ast
import glob
import os
import re

OPERATOR = {
    'PodMonitor': {'spec!': {
        'selector!': {'matchLabels': 'dict(str, str)'},
        'podMetricsEndpoints!': [{'port!': 'str', 'path': 'str', 'interval': 'str'}]}},
    'PrometheusRule': {'spec!': {'groups!': [{
        'name!': 'str', 'interval': 'str', 'rules!': [{
            'alert!': 'str', 'expr!': 'str', 'for': 'str',
            'labels': 'dict(str, str)', 'annotations': 'dict(str, str)'}]}]}},
}
SCALARS = {'str': str, 'int': int, 'bool': bool}
QUANTITIES = ('limits', 'requests', 'capacity', 'sizeLimit')


class Schema:
    def __init__(self, folder):
        files = glob.glob(os.path.join(folder, '*.py'))
        self.files = {os.path.basename(path)[:-3].replace('_', ''): path for path in files}
        self.models = {}

    def model(self, name):
        """{field: (type, is required)} of a class; None when there is no such class."""
        if name not in self.models:
            path = self.files.get(name.lower())
            self.models[name] = path and self.read(path)
        return self.models[name]

    @staticmethod
    def read(path):
        with open(path, encoding='utf-8') as file:
            source = file.read()
        tables = {}
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                if node.targets[0].id in ('openapi_types', 'attribute_map'):
                    tables[node.targets[0].id] = ast.literal_eval(node.value)
        required = set(re.findall(r'Invalid value for `(\w+)`, must not be `None`', source))
        return {tables['attribute_map'][name]: (kind, name in required)
                for name, kind in tables['openapi_types'].items()}

    def check(self, document):
        """Every fault of one document, as text."""
        kind, version = document.get('kind'), document.get('apiVersion', '')
        if kind in OPERATOR:
            body = {key: value for key, value in document.items() if key == 'spec'}
            head = {key: value for key, value in document.items() if key != 'spec'}
            faults = [] if version == 'monitoring.coreos.com/v1' else [f'{kind}: apiVersion {version}']
            return faults + self.value(body, OPERATOR[kind], kind) + self.value(
                head, {'apiVersion!': 'str', 'kind!': 'str', 'metadata!': 'V1ObjectMeta'}, kind)
        short = version.split('/')[-1]
        return self.value(document, short[:1].upper() + short[1:] + str(kind), str(kind))

    def value(self, value, kind, at):
        if value is None:
            return []
        if isinstance(kind, list):
            return self.items(value, kind[0], at)
        if isinstance(kind, dict):
            return self.fields(value, {key.rstrip('!'): (inner, key.endswith('!'))
                                       for key, inner in kind.items()}, at)
        match = re.match(r'(list\[|dict\(str, )(.*).$', kind)
        if match and match.group(1) == 'list[':
            return self.items(value, match.group(2), at)
        if match:
            return self.pairs(value, match.group(2), at)
        if kind in SCALARS:
            return self.scalar(value, kind, at)
        if kind in ('object', 'datetime', 'float'):
            return []
        model = self.model(kind)
        return [f'{at}: nothing is known of {kind}'] if model is None else self.fields(value, model, at)

    def items(self, value, kind, at):
        if not isinstance(value, list):
            return [f'{at}: not a list']
        return [fault for i, item in enumerate(value) for fault in self.value(item, kind, f'{at}[{i}]')]

    def pairs(self, value, kind, at):
        if not isinstance(value, dict):
            return [f'{at}: not a map']
        return [fault for key, item in value.items() for fault in self.value(item, kind, f'{at}.{key}')]

    @staticmethod
    def scalar(value, kind, at):
        name = at.split('.')[-2:] if '.' in at else [at]
        if kind == 'str' and isinstance(value, (int, float)) and not isinstance(value, bool) and any(
                part in QUANTITIES for part in name):
            return []
        is_bool = isinstance(value, bool)
        if isinstance(value, SCALARS[kind]) and is_bool == (kind == 'bool'):
            return []
        return [f'{at}: {value!r} is no {kind}']

    def fields(self, value, model, at):
        if not isinstance(value, dict):
            return [f'{at}: not an object']
        faults = [f'{at}.{key}: no such field' for key in value if key not in model]
        faults += [f'{at}: {key} is missing' for key, (_, needed) in model.items()
                   if needed and value.get(key) is None]
        for key, item in value.items():
            if key in model:
                faults += self.value(item, model[key][0], f'{at}.{key}')
        return faults
