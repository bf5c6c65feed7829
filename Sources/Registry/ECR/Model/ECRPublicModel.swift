/// Amazon ECR Public: operations with their inputs and errors, and the shapes of the inputs. Written by tools/ecr-model.
/// (botocore, ecr-public/2020-10-30/service-2.json)
enum ECRPublicModel {
  static let table = #"""
    operation BatchCheckLayerAvailability BatchCheckLayerAvailabilityRequest RepositoryNotFoundException InvalidParameterException ServerException RegistryNotFoundException UnsupportedCommandException
    operation BatchDeleteImage BatchDeleteImageRequest ServerException InvalidParameterException RepositoryNotFoundException UnsupportedCommandException
    operation CompleteLayerUpload CompleteLayerUploadRequest ServerException InvalidParameterException RepositoryNotFoundException UploadNotFoundException InvalidLayerException LayerPartTooSmallException LayerAlreadyExistsException EmptyUploadException RegistryNotFoundException UnsupportedCommandException
    operation CreateRepository CreateRepositoryRequest ServerException InvalidParameterException InvalidTagParameterException TooManyTagsException RepositoryAlreadyExistsException LimitExceededException UnsupportedCommandException
    operation DeleteRepository DeleteRepositoryRequest ServerException InvalidParameterException RepositoryNotFoundException RepositoryNotEmptyException UnsupportedCommandException
    operation DeleteRepositoryPolicy DeleteRepositoryPolicyRequest ServerException InvalidParameterException RepositoryNotFoundException RepositoryPolicyNotFoundException UnsupportedCommandException
    operation DescribeImageTags DescribeImageTagsRequest ServerException InvalidParameterException RepositoryNotFoundException UnsupportedCommandException
    operation DescribeImages DescribeImagesRequest ServerException InvalidParameterException RepositoryNotFoundException ImageNotFoundException UnsupportedCommandException
    operation DescribeRegistries DescribeRegistriesRequest InvalidParameterException UnsupportedCommandException ServerException
    operation DescribeRepositories DescribeRepositoriesRequest ServerException InvalidParameterException RepositoryNotFoundException UnsupportedCommandException
    operation GetAuthorizationToken GetAuthorizationTokenRequest ServerException InvalidParameterException UnsupportedCommandException
    operation GetRegistryCatalogData GetRegistryCatalogDataRequest ServerException UnsupportedCommandException
    operation GetRepositoryCatalogData GetRepositoryCatalogDataRequest ServerException InvalidParameterException RepositoryCatalogDataNotFoundException RepositoryNotFoundException UnsupportedCommandException
    operation GetRepositoryPolicy GetRepositoryPolicyRequest ServerException InvalidParameterException RepositoryNotFoundException RepositoryPolicyNotFoundException UnsupportedCommandException
    operation InitiateLayerUpload InitiateLayerUploadRequest ServerException InvalidParameterException RepositoryNotFoundException RegistryNotFoundException UnsupportedCommandException
    operation ListTagsForResource ListTagsForResourceRequest InvalidParameterException RepositoryNotFoundException UnsupportedCommandException ServerException
    operation PutImage PutImageRequest ServerException InvalidParameterException RepositoryNotFoundException ImageAlreadyExistsException LayersNotFoundException ReferencedImagesNotFoundException LimitExceededException ImageTagAlreadyExistsException ImageDigestDoesNotMatchException RegistryNotFoundException UnsupportedCommandException
    operation PutRegistryCatalogData PutRegistryCatalogDataRequest ServerException InvalidParameterException UnsupportedCommandException
    operation PutRepositoryCatalogData PutRepositoryCatalogDataRequest ServerException InvalidParameterException RepositoryNotFoundException UnsupportedCommandException
    operation SetRepositoryPolicy SetRepositoryPolicyRequest ServerException InvalidParameterException RepositoryNotFoundException UnsupportedCommandException
    operation TagResource TagResourceRequest InvalidParameterException InvalidTagParameterException TooManyTagsException RepositoryNotFoundException UnsupportedCommandException ServerException
    operation UntagResource UntagResourceRequest InvalidParameterException InvalidTagParameterException TooManyTagsException RepositoryNotFoundException UnsupportedCommandException ServerException
    operation UploadLayerPart UploadLayerPartRequest ServerException InvalidParameterException InvalidLayerPartException RepositoryNotFoundException UploadNotFoundException LimitExceededException RegistryNotFoundException UnsupportedCommandException
    AboutText string ..25600
    Architecture string 1..50
    ArchitectureList list ..50 Architecture
    Arn string 1..2048
    BatchCheckLayerAvailabilityRequest structure registryId:RegistryIdOrAlias repositoryName!:RepositoryName layerDigests!:BatchedOperationLayerDigestList
    BatchDeleteImageRequest structure registryId:RegistryIdOrAlias repositoryName!:RepositoryName imageIds!:ImageIdentifierList
    BatchedOperationLayerDigest string 0..1000
    BatchedOperationLayerDigestList list 1..100 BatchedOperationLayerDigest
    CompleteLayerUploadRequest structure registryId:RegistryIdOrAlias repositoryName!:RepositoryName uploadId!:UploadId layerDigests!:LayerDigestList
    CreateRepositoryRequest structure repositoryName!:RepositoryName catalogData:RepositoryCatalogDataInput tags:TagList
    DeleteRepositoryPolicyRequest structure registryId:RegistryId repositoryName!:RepositoryName
    DeleteRepositoryRequest structure registryId:RegistryId repositoryName!:RepositoryName force:ForceFlag
    DescribeImageTagsRequest structure registryId:RegistryId repositoryName!:RepositoryName nextToken:NextToken maxResults:MaxResults
    DescribeImagesRequest structure registryId:RegistryId repositoryName!:RepositoryName imageIds:ImageIdentifierList nextToken:NextToken maxResults:MaxResults
    DescribeRegistriesRequest structure nextToken:NextToken maxResults:MaxResults
    DescribeRepositoriesRequest structure registryId:RegistryId repositoryNames:RepositoryNameList nextToken:NextToken maxResults:MaxResults
    ForceFlag boolean
    GetAuthorizationTokenRequest structure
    GetRegistryCatalogDataRequest structure
    GetRepositoryCatalogDataRequest structure registryId:RegistryId repositoryName!:RepositoryName
    GetRepositoryPolicyRequest structure registryId:RegistryId repositoryName!:RepositoryName
    ImageDigest string
    ImageIdentifier structure imageDigest:ImageDigest imageTag:ImageTag
    ImageIdentifierList list 1..100 ImageIdentifier
    ImageManifest string 1..4194304
    ImageTag string 1..300
    InitiateLayerUploadRequest structure registryId:RegistryIdOrAlias repositoryName!:RepositoryName
    LayerDigest string /[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+/
    LayerDigestList list 1..100 LayerDigest
    LayerPartBlob blob 0..20971520
    ListTagsForResourceRequest structure resourceArn!:Arn
    LogoImageBlob blob 0..512000
    MaxResults integer 1..1000
    MediaType string
    NextToken string
    OperatingSystem string 1..50
    OperatingSystemList list ..50 OperatingSystem
    PartSize long 0..
    PutImageRequest structure registryId:RegistryIdOrAlias repositoryName!:RepositoryName imageManifest!:ImageManifest imageManifestMediaType:MediaType imageTag:ImageTag imageDigest:ImageDigest
    PutRegistryCatalogDataRequest structure displayName:RegistryDisplayName
    PutRepositoryCatalogDataRequest structure registryId:RegistryId repositoryName!:RepositoryName catalogData!:RepositoryCatalogDataInput
    RegistryDisplayName string 0..100
    RegistryId string /[0-9]{12}/
    RegistryIdOrAlias string 2..50
    RepositoryCatalogDataInput structure description:RepositoryDescription architectures:ArchitectureList operatingSystems:OperatingSystemList logoImageBlob:LogoImageBlob aboutText:AboutText usageText:UsageText
    RepositoryDescription string ..1024
    RepositoryName string 2..205 /(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*/
    RepositoryNameList list 1..100 RepositoryName
    RepositoryPolicyText string 0..10240
    SetRepositoryPolicyRequest structure registryId:RegistryId repositoryName!:RepositoryName policyText!:RepositoryPolicyText force:ForceFlag
    Tag structure Key:TagKey Value:TagValue
    TagKey string 1..128
    TagKeyList list 0..200 TagKey
    TagList list 0..200 Tag
    TagResourceRequest structure resourceArn!:Arn tags!:TagList
    TagValue string 0..256
    UntagResourceRequest structure resourceArn!:Arn tagKeys!:TagKeyList
    UploadId string /[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}/
    UploadLayerPartRequest structure registryId:RegistryIdOrAlias repositoryName!:RepositoryName uploadId!:UploadId partFirstByte!:PartSize partLastByte!:PartSize layerPartBlob!:LayerPartBlob
    UsageText string ..25600
    """#
}
