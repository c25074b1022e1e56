// Uses the plugin like docker's actions, with their own classes. The first argument selects the part.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {pathToFileURL} from 'node:url';
import {execFileSync} from 'node:child_process';

const lib = path.join(process.env.ACTIONS_TOOLKIT, 'node_modules/@docker/actions-toolkit/lib');
const load = async name => import(pathToFileURL(path.join(lib, name)).href);
const {Buildx} = await load('buildx/buildx.js');
const {Builder} = await load('buildx/builder.js');
const {Build} = await load('buildx/build.js');
const {Bake} = await load('buildx/bake.js');
const {History} = await load('buildx/history.js');
const {BuildKit} = await load('buildkit/buildkit.js');

const buildx = new Buildx();
const docker = async (...words) => {
  const command = await buildx.getCommand(words);
  return execFileSync(command.command, command.args, {encoding: 'utf-8', stdio: ['ignore', 'pipe', 'inherit']});
};

const parts = {
  async builders() {
    assert.equal(await buildx.isStandalone(), false);
    assert.ok(await buildx.isAvailable());
    assert.match(await buildx.version(), /^0\.\d+\.\d+$/);
    assert.ok(await buildx.versionSatisfies('>=0.17.0'));
    const alone = new Buildx({standalone: true});
    assert.ok((await alone.isAvailable()) && (await alone.versionSatisfies('>=0.17.0')));

    const builder = new Builder({buildx});
    const usual = await builder.inspect();
    assert.deepEqual([usual.name, usual.driver, usual.nodes.length], ['default', 'docker', 1]);
    assert.equal(await builder.exists('mine'), false);
    await docker('create', '--name', 'mine', '--driver', 'docker-container', '--driver-opt', 'network=host',
      '--buildkitd-flags', '--allow-insecure-entitlement security.insecure --allow-insecure-entitlement network.host',
      '--platform', 'linux/arm64', '--use');
    await docker('inspect', '--bootstrap', '--builder', 'mine');
    assert.ok(await builder.exists('mine'));
    const mine = await builder.inspect('mine');
    assert.deepEqual([mine.name, mine.driver], ['mine', 'docker-container']);
    assert.ok(Date.now() - mine.lastActivity.getTime() < 3600_000);
    const [node] = mine.nodes;
    assert.deepEqual([node.name, node.status, node.platforms], ['mine0', 'running', 'linux/arm64']);
    assert.deepEqual(node['driver-opts'], ['network=host']);
    assert.match(node['buildkitd-flags'], /security\.insecure .*network\.host/);
    // By this the actions decide whether to request provenance, which is not supported.
    const buildkit = new BuildKit({buildx});
    assert.match(await buildkit.getVersion(node), /^rbuild /);
    assert.equal(await buildkit.versionSatisfies('mine', '>=0.11.0'), false);
    await assert.rejects(builder.inspect('nope'), /no builder/);
    await docker('rm', 'mine');
    assert.equal(await builder.exists('mine'), false);
  },

  async builds() {
    const build = new Build({buildx});
    process.env.BUILDX_METADATA_WARNINGS = 'true';
    const files = ['--iidfile', build.getImageIDFilePath(), '--metadata-file', build.getMetadataFilePath()];
    await docker('build', ...files, '--tag', 'app:1', '--load', 'ctx');
    assert.match(build.resolveImageID(), /^sha256:[0-9a-f]{64}$/);
    assert.equal(build.resolveDigest(), build.resolveImageID());
    assert.match(build.resolveRef(), /^default\/default\/[0-9a-z]{25}$/);
    assert.equal(build.resolveMetadata()['image.name'], 'docker.io/library/app:1');
    assert.equal(build.resolveWarnings(), undefined);

    await docker('build', ...files, 'lint');
    const notes = await Buildx.convertWarningsToGitHubAnnotations(build.resolveWarnings(), [build.resolveRef()]);
    const warning = build.resolveWarnings()[0];
    assert.match(Buffer.from(warning.short, 'base64').toString(), /^MaintainerDeprecated: .*\(line 3\)$/);
    assert.deepEqual(warning.range, [{start: {line: 3}, end: {line: 3}}]);
    assert.equal(Buffer.from(warning.sourceInfo.data, 'base64').toString(), fs.readFileSync('lint/Dockerfile', 'utf-8'));
    assert.deepEqual(notes.map(note => [note.file, note.startLine]), [['lint/Dockerfile', 3]]);

    // What build-push-action does at its end.
    process.env.GITHUB_REPOSITORY = 'owner/project';
    const exported = await new History({buildx}).export({refs: [build.resolveRef()]});
    const summary = exported.summaries[build.resolveRef().split('/')[2]];
    assert.deepEqual([summary.name, summary.status, summary.numTotalSteps], ['lint', 'completed', 1]);
    assert.ok(exported.dockerbuildSize > 100);

    // A failed build has no metadata: it is found through its builder's files.
    fs.writeFileSync('lint/bad', 'FROM scratch\nCOPY nothing /\n');
    const since = new Date();
    await assert.rejects(docker('build', ...files, '--file', 'lint/bad', 'lint'));
    const left = Object.keys(Buildx.refs({dir: Buildx.refsDir, builderName: 'default', since}));
    assert.equal(left.length, 1);
    const failed = await new History({buildx}).export({refs: left});
    assert.equal(failed.summaries[left[0].split('/')[2]].status, 'failed');

    const command = await buildx.getCommand(['build', 'nowhere']);
    let said = '';
    try {
      execFileSync(command.command, command.args, {stdio: 'pipe', encoding: 'utf-8'});
    } catch (error) {
      said = error.stderr;
    }
    assert.match(Buildx.getErrorMessage(said), /nowhere/);

    const bake = new Bake({buildx});
    const definition = await bake.getDefinition({files: ['docker-bake.json'], overrides: ['a.tags=b:2'], targets: ['a', 'b']});
    assert.deepEqual(definition.target.a.tags, ['b:2']);
    assert.deepEqual(definition.target.b['cache-from'], [{type: 'local', src: 'c'}]);
    assert.ok(Bake.hasDockerExporter(definition) && Bake.hasGitAuthTokenSecret(definition));
    await assert.rejects(bake.getDefinition({files: ['docker-bake.json'], targets: ['nope']}), /nope/);
    await docker('bake', '--file', 'docker-bake.json', '--metadata-file', bake.getMetadataFilePath(), 'a');
    assert.equal(bake.resolveRefs().length, 1);
  },

  async git() {
    const build = new Build({buildx});
    const context = await build.gitContext();
    const secret = Build.resolveSecretString('GIT_AUTH_TOKEN=a-token');
    const metadata = ['--metadata-file', build.getMetadataFilePath()];
    await docker('build', '--secret', secret, ...metadata, '--tag', 'app', '--load', context);
    assert.match(build.resolveDigest(), /^sha256:/);
    const subfolder = await build.gitContext({subdir: 'sub'});
    await docker('build', '--secret', secret, '--load', subfolder);
    const query = await build.gitContext({format: 'query', subdir: 'sub'});
    await docker('build', '--secret', secret, '--load', query);
    await assert.rejects(docker('build', context), 'without the token nothing is given');
  },
};

await parts[process.argv[2]]();
