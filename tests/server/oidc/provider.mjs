// A real OpenID Connect provider on this computer: people sign in by typing who they are.
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, port, back] = process.argv.slice(2);
const require = createRequire(path.join(folder, 'package.json'));
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

const groups = { ada: ['trial'], ben: ['radiology', 'canteen'], eve: ['canteen'] };
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'pneumoscore',
    client_secret: 'a secret: of/signs&letters',
    redirect_uris: [back],
    response_types: ['code'],
    grant_types: ['authorization_code'],
  }],
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
  pkce: { required: () => true },
  async findAccount(_, id) {
    return {
      accountId: id,
      async claims() { return { sub: id, preferred_username: id.split('-')[0], groups: groups[id.split('-')[0]] ?? [] }; },
    };
  },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
