// Where NVIDIA's headers and cuBLASLt lie on this machine, if they do.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** `nvidia/cu13` of the Python environments that can be found. */
function pythonPackages(): string[] {
  const roots = [process.env.VIRTUAL_ENV, process.env.CONDA_PREFIX].filter((r) => r !== undefined);
  const sites = roots.flatMap((root) => {
    const lib = join(root, 'lib');
    if (!existsSync(lib)) return [];
    return readdirSync(lib)
      .filter((name) => name.startsWith('python3'))
      .map((name) => join(lib, name, 'site-packages'));
  });
  try {
    const script =
      'import site; print("\\n".join([*site.getsitepackages(), site.getusersitepackages()]))';
    sites.push(...execFileSync('python3', ['-c', script], { encoding: 'utf8' }).trim().split('\n'));
  } catch {
    // No Python, no packages of it.
  }
  return sites.map((site) => join(site, 'nvidia', 'cu13'));
}

const toolkits = [
  process.env.CUDA_PATH,
  process.env.CUDA_HOME,
  '/usr/local/cuda',
  '/usr/local/cuda-13',
  '/usr/local/cuda-13.0',
].filter((root) => root !== undefined);

/** The folders with cublasLt.h and with the toolkit's own headers; undefined when one is missing. */
export function cublasLtIncludes(): string[] | undefined {
  const forced = process.env.STRIATE_CUBLASLT_INCLUDE;
  const folders =
    forced !== undefined
      ? forced.split(':')
      : [...toolkits, ...pythonPackages()].map((root) => join(root, 'include'));
  const holder = (file: string): string | undefined =>
    [...folders, ...toolkits.map((root) => join(root, 'include'))].find((folder) =>
      existsSync(join(folder, file)),
    );
  const found = [holder('cublasLt.h'), holder('cuda_runtime_api.h')];
  return found.every((folder) => folder !== undefined) ? found : undefined;
}

/** The real library's path; undefined when there is none. */
export function cublasLtLibrary(): string | undefined {
  const file = 'libcublasLt.so.13';
  const include = process.env.STRIATE_CUBLASLT_INCLUDE?.split(':') ?? [];
  return [
    process.env.STRIATE_CUBLASLT,
    ...include.map((folder) => join(folder, '..', 'lib', file)),
    ...toolkits.flatMap((root) => [join(root, 'lib64', file), join(root, 'lib', file)]),
    ...pythonPackages().map((root) => join(root, 'lib', file)),
  ].find((path) => path !== undefined && existsSync(path));
}
